package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"replicator/replicator/fault"
)

// files are a CA and what it has issued, in one directory.
func files(t *testing.T, role Role) (*Authority, Files) {
	t.Helper()
	a := newCA(t, "")
	issued, err := a.Issue(Request{Role: role, Hosts: []string{"localhost"}}, filepath.Join(t.TempDir(), "end"))
	if err != nil {
		t.Fatal(err)
	}
	return a, issued.Files
}

func TestLoad(t *testing.T) {
	a, f := files(t, Target)
	id, err := Load(f, Target)
	if err != nil {
		t.Fatal(err)
	}
	left := time.Until(id.NotAfter)
	if id.Role != Target || len(id.Jobs) != 0 || left < 364*24*time.Hour || left > 365*24*time.Hour {
		t.Errorf("loaded %+v", id)
	}
	if id.Warn(time.Now()) != "" {
		t.Error(id.Warn(time.Now()))
	}
	if a.NotAfter.Before(time.Now().AddDate(9, 11, 0)) {
		t.Errorf("the CA ends on %v", a.NotAfter)
	}
}

// TestLoadRefuses: each thing that can be wrong with the files is told in one line with a hint.
func TestLoadRefuses(t *testing.T) {
	_, f := files(t, Target)
	_, stranger := files(t, Target)
	_, source := files(t, Source)
	dir := t.TempDir()
	file := func(name string, mode os.FileMode, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	missing := filepath.Join(dir, "missing")
	year := 366 * 24 * time.Hour
	for _, tc := range []struct {
		name  string
		files Files
		want  Role
		after time.Duration
		says  string
	}{
		{"no certificate given", Files{"", f.Key, f.CA}, Target, 0, "no certificate is given"},
		{"no key given", Files{f.Cert, "", f.CA}, Target, 0, "no key of the certificate is given"},
		{"no CA given", Files{f.Cert, f.Key, ""}, Target, 0, "no CA file is given"},
		{"certificate missing", Files{missing, f.Key, f.CA}, Target, 0, "certificate " + missing + " is not there"},
		{"key missing", Files{f.Cert, missing, f.CA}, Target, 0, "key " + missing + " is not there"},
		{"CA missing", Files{f.Cert, f.Key, missing}, Target, 0, "CA file " + missing + " is not there"},
		{"certificate a directory", Files{dir, f.Key, f.CA}, Target, 0, "certificate " + dir + " cannot be read: is a directory"},
		{"key for the group", Files{f.Cert, file("g", 0o640, text(f.Key)), f.CA}, Target, 0, "can be read by others than its owner"},
		{"key for all", Files{f.Cert, file("o", 0o604, text(f.Key)), f.CA}, Target, 0, "can be read by others than its owner"},
		{"key of another", Files{f.Cert, stranger.Key, f.CA}, Target, 0, "does not belong to certificate"},
		{"key is a certificate", Files{f.Cert, file("c", 0o600, text(f.Cert)), f.CA}, Target, 0, "holds no private key that can be used"},
		{"key is empty", Files{f.Cert, file("e", 0o600, ""), f.CA}, Target, 0, "holds no private key that can be used"},
		{"key is damaged", Files{f.Cert, file("d", 0o600, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), f.CA}, Target, 0, "holds no private key"},
		{"key is locked", Files{f.Cert, file("l", 0o600, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), f.CA}, Target, 0, "is locked with a passphrase"},
		{"key is locked in the old way", Files{f.Cert, file("m", 0o600, "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,AB\n\nAAAA\n-----END EC PRIVATE KEY-----\n"), f.CA}, Target, 0, "is locked with a passphrase"},
		{"certificate is a key", Files{f.Key, f.Key, f.CA}, Target, 0, "holds no certificate"},
		{"certificate is damaged", Files{file("x", 0o600, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), f.Key, f.CA}, Target, 0, "holds a certificate that is damaged"},
		{"CA is a key", Files{f.Cert, f.Key, f.Key}, Target, 0, "CA file " + f.Key + " holds no certificate"},
		{"CA of another", Files{f.Cert, f.Key, stranger.CA}, Target, 0, "is not signed by a CA in " + stranger.CA},
		{"a source that is to serve", source, Target, 0, "is a source certificate, which cannot serve"},
		{"a target that is to dial", f, Source, 0, "is a target certificate, which cannot dial in"},
		{"the CA's own", Files{f.CA, f.Key, f.CA}, Target, 0, "does not belong to certificate"},
		{"expired", f, Target, year, "certificate " + f.Cert + " has expired on"},
		{"not yet valid", f, Target, -2 * time.Hour, "is not valid before"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := load(tc.files, tc.want, time.Now().Add(tc.after))
			refused(t, "load", err, tc.says)
		})
	}
}

// TestLoadExpiredCA: the certificate would hold, its CA does not.
func TestLoadExpiredCA(t *testing.T) {
	a := newCA(t, "")
	a.NotAfter = a.NotAfter.AddDate(100, 0, 0) // so that Issue lets it outlive the CA
	issued, err := a.Issue(Request{Role: Source, Days: 20 * 365}, filepath.Join(t.TempDir(), "end"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = load(issued.Files, Source, time.Now().AddDate(11, 0, 0))
	refused(t, "load", err, "the CA of certificate "+issued.Cert+" has expired on")
	id, err := Load(issued.Files, Source)
	if err != nil || !id.NotAfter.Equal(a.cert.NotAfter) {
		t.Errorf("it ends on %v, the CA on %v; error %v", id.NotAfter, a.cert.NotAfter, err)
	}
}

// TestOtherPKI: a CA with another beneath it, and keys as other tools make and write them.
func TestOtherPKI(t *testing.T) {
	root := newCA(t, "Root")
	template := *root.cert
	template.MaxPathLen, template.MaxPathLenZero = 1, false
	top, err := sign(&template, &template, root.key.Public(), root.key)
	if err != nil {
		t.Fatal(err)
	}
	middleKey, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	template = *newCA(t, "Between").cert
	template.SubjectKeyId, template.SerialNumber = nil, nil
	middle, err := sign(&template, top, middleKey.Public(), root.key)
	if err != nil {
		t.Fatal(err)
	}
	ec, err1 := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	r, err2 := rsa.GenerateKey(rand.Reader, 2048)
	_, ed, err3 := ed25519.GenerateKey(rand.Reader)
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(ed)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]struct {
		signer crypto.Signer
		block  pem.Block
	}{
		"SEC 1":   {ec, pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}},
		"PKCS #1": {r, pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(r)}},
		"PKCS #8": {ed, pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}},
	} {
		t.Run(name, func(t *testing.T) {
			var ends [2]*Identity
			for i, role := range []Role{Target, Source} {
				template, err := Request{Role: role, Hosts: []string{"localhost"}}.template()
				if err != nil {
					t.Fatal(err)
				}
				cert, err := sign(template, middle, key.signer.Public(), middleKey)
				if err != nil {
					t.Fatal(err)
				}
				dir := t.TempDir()
				f := Files{filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "ca")}
				write(t, f.Cert, pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}, pem.Block{Type: "CERTIFICATE", Bytes: middle.Raw})
				write(t, f.Key, pem.Block{Type: "COMMENT"}, key.block)
				write(t, f.CA, pem.Block{Type: "CERTIFICATE", Bytes: newCA(t, "Old").cert.Raw}, pem.Block{Type: "CERTIFICATE", Bytes: top.Raw})
				if ends[i], err = Load(f, role); err != nil {
					t.Fatal(err)
				}
			}
			if m := meet(t, ends[0].Server(), ends[1].Client("localhost")); m.server != nil || m.client != nil {
				t.Errorf("server %v, client %v", m.server, m.client)
			}
		})
	}
}

func write(t *testing.T, path string, blocks ...pem.Block) {
	t.Helper()
	var text strings.Builder
	for _, b := range blocks {
		if err := pem.Encode(&text, &b); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAuthority looks at what the CA makes, as another tool would.
func TestAuthority(t *testing.T) {
	a, f := files(t, Target)
	if c := a.cert; !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || len(c.SubjectKeyId) == 0 {
		t.Errorf("CA %+v", c)
	}
	list, err := readCertificates("certificate", f.Cert)
	if err != nil {
		t.Fatal(err)
	}
	c := list[0]
	if c.IsCA || c.Version != 3 || len(c.URIs) != 1 || c.URIs[0].String() != "urn:replicator:role:target" || len(c.ExtKeyUsage) != 1 ||
		c.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || c.SerialNumber.BitLen() < 64 || time.Since(c.NotBefore) < 59*time.Minute {
		t.Errorf("certificate %+v", c)
	}
	for path, mode := range map[string]os.FileMode{f.Key: 0o600, a.Key: 0o600, f.Cert: 0o644, filepath.Dir(f.Key): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, error %v", path, info.Mode(), err)
		}
	}
	b, err := os.ReadFile(f.Key)
	if err != nil || !strings.HasPrefix(string(b), "-----BEGIN PRIVATE KEY-----\n") {
		t.Errorf("key in another form, error %v", err)
	}
}

// TestIssueAfterwards: a CA that was opened again signs like before, and no serial number comes twice.
func TestIssueAfterwards(t *testing.T) {
	a := newCA(t, "Hospital")
	dir := filepath.Dir(a.Cert)
	serials := map[string]bool{}
	for _, role := range []Role{Source, Target} {
		again, err := OpenAuthority(dir)
		if err != nil || again.Name != "Hospital" {
			t.Fatal(again, err)
		}
		id := issueAndLoad(t, again, Request{Role: role, Hosts: []string{"localhost"}, Days: 9000})
		if id.cert.Leaf.NotAfter.After(a.NotAfter) {
			t.Errorf("it outlives its CA")
		}
		serials[id.cert.Leaf.SerialNumber.String()] = true
	}
	if len(serials) != 2 {
		t.Error("the serial numbers are the same")
	}
	if _, err := Create(dir, "", 0); fault.CodeOf(err) != fault.Usage {
		t.Errorf("made again: %v", err)
	}
}

// TestNothingIsOverwritten, also where two make the same file at once.
func TestNothingIsOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.key")
	if err := writeNew(path, 0o600, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := writeNew(path, 0o600, []byte("second")); fault.CodeOf(err) != fault.Usage {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "first" {
		t.Errorf("the file holds %q, error %v", b, err)
	}
}

func TestHosts(t *testing.T) {
	for host, ok := range map[string]bool{
		"new": true, "new.example": true, "NEW-1.example": true, "10.0.0.1": true, "::1": true, "fd00::12": true, "a_b.example": true, "xn--mnchen-3ya.example": true,
		"": false, " ": false, "new.example:7432": false, "[::1]": false, "10.0.0": false, "10.0.0.256": false, "münchen.example": false, "*.example": false,
		"a..b": false, ".a": false, "a.": false, "-a.b": false, "a\nb": false, "target.replicator.internal": false, strings.Repeat("a.", 130) + "b": false,
	} {
		_, err := Request{Role: Target, Hosts: []string{host}}.template()
		if (err == nil) != ok || err != nil && fault.CodeOf(err) != fault.Usage {
			t.Errorf("%q: error %v of code %d", host, err, fault.CodeOf(err))
		}
	}
}
