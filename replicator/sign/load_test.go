package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicator/replicator/fault"
)

// keyFile writes a file that only its owner may read.
func keyFile(t *testing.T, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.key")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pkcs8(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func TestLoadMinisign(t *testing.T) {
	k, err := Load(keyFile(t, golden(t, "site.key")))
	if err != nil || !k.Public().Equal(siteKey(t).Public()) {
		t.Errorf("key %s, error %v", k.Public(), err)
	}
}

func TestLoadPEM(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := Load(keyFile(t, pkcs8(t, private)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(k.Public().String())
	if err != nil || !bytes.Equal(raw[10:], public) {
		t.Errorf("public key %x, want %x", raw, public)
	}
	signature, err := k.Sign(strings.NewReader("report"), stated)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify([]byte("report"), signature, k.Public()); err != nil {
		t.Error(err)
	}
}

// damaged is a key whose halves do not belong together.
func damaged(t *testing.T) []byte {
	t.Helper()
	comment, text, _ := strings.Cut(string(golden(t, "site.key")), "\n")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	raw[54+8+40] ^= 1 // in the public half
	return []byte(comment + "\n" + base64.StdEncoding.EncodeToString(raw) + "\n")
}

func TestLoadRefuses(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("hunter2")}) }
	const password = "has a password, and replicator asks no questions"
	for _, tc := range []struct {
		name string
		text []byte
		want string
	}{
		{"minisign with a password", golden(t, "password.key"), password},
		{"PEM with a password", block("ENCRYPTED PRIVATE KEY"), password},
		{"PEM of OpenSSH", block("OPENSSH PRIVATE KEY"), "is no private key in PKCS #8"},
		{"PEM damaged", block("PRIVATE KEY"), "is damaged"},
		{"another kind", pkcs8(t, ec), "is of another kind than Ed25519"},
		{"halves of two keys", damaged(t), "is damaged"},
		{"a public key", golden(t, "site.pub"), "is neither minisign's secret key nor an Ed25519 key in PEM"},
		{"a word", []byte("hunter2"), "is neither minisign's secret key nor an Ed25519 key in PEM"},
		{"nothing", nil, "is neither minisign's secret key nor an Ed25519 key in PEM"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := keyFile(t, tc.text)
			_, err := Load(path)
			if fault.CodeOf(err) != fault.Usage || !strings.HasPrefix(err.Error(), "report key "+path+" "+tc.want) {
				t.Errorf("error %v, want %s", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells of the contents: %v", err)
			}
		})
	}
}

func TestLoadRefusesWhatOthersRead(t *testing.T) {
	path := keyFile(t, golden(t, "site.key"))
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		path: "can be read by others than its owner", path + ".none": "is not there", dir: "cannot be read",
	} {
		if _, err := Load(path); fault.CodeOf(err) != fault.Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want it to say that it %s", path, err, want)
		}
	}
}
