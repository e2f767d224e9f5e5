package atrest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicator/replicator/fault"
)

// secretOf is a secret that is the same in every run.
func secretOf(seed uint64) (s [Size]byte) {
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range s {
		s[i] = byte(r.Uint32())
	}
	return s
}

func write(t *testing.T, path string, mode os.FileMode, b []byte) string {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestForms: the same key in each form that a key file may have.
func TestForms(t *testing.T) {
	secret := secretOf(1)
	want := New(secret).Sum("test", nil)
	for name, b := range map[string][]byte{
		"raw":                     secret[:],
		"hex":                     []byte(hex.EncodeToString(secret[:])),
		"hex, as openssl writes":  []byte(hex.EncodeToString(secret[:]) + "\n"),
		"hex, upper case, CRLF":   []byte(strings.ToUpper(hex.EncodeToString(secret[:])) + "\r\n"),
		"base64":                  []byte(base64.StdEncoding.EncodeToString(secret[:]) + "\n"),
		"base64, without padding": []byte(base64.RawStdEncoding.EncodeToString(secret[:])),
	} {
		dir := t.TempDir()
		for _, mode := range []os.FileMode{0o600, 0o400} {
			k, err := Load(write(t, filepath.Join(dir, fmt.Sprint(uint32(mode))), mode, b), filepath.Join(dir, "state"))
			if err != nil || k.Sum("test", nil) != want {
				t.Errorf("%s, mode %o: %v", name, mode, err)
			}
		}
	}
}

// TestRefused: every refusal is one line of code Usage with a hint, and tells nothing of the key.
func TestRefused(t *testing.T) {
	secret := secretOf(2)
	digits := hex.EncodeToString(secret[:])
	dir, state := t.TempDir(), t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(write(t, filepath.Join(state, "key"), 0o600, []byte(digits)), link); err != nil {
		t.Fatal(err)
	}
	file := func(name string, mode os.FileMode, b string) string {
		return write(t, filepath.Join(dir, name), mode, []byte(b))
	}
	for name, c := range map[string]struct{ path, says string }{
		"missing":            {filepath.Join(dir, "none"), "is not there"},
		"directory":          {dir, "is a directory"},
		"group reads":        {file("group", 0o640, digits), "by others"},
		"others read":        {file("others", 0o604, digits), "by others"},
		"group writes":       {file("writes", 0o620, digits), "by others"},
		"empty":              {file("empty", 0o600, ""), "is empty"},
		"only a newline":     {file("newline", 0o600, "\n"), "is empty"},
		"16 bytes":           {file("short", 0o600, digits[:32]+"\n"), "holds no key"},
		"31 bytes in base64": {file("31", 0o600, base64.StdEncoding.EncodeToString(secret[:31])), "holds no key"},
		"33 raw bytes":       {file("33", 0o600, string(secret[:])+"\x01"), "holds no key"},
		"two keys":           {file("two", 0o600, digits+"\n"+digits+"\n"), "holds no key"},
		"not hex":            {file("not", 0o600, "zz"+digits[2:]), "holds no key"},
		"a word":             {file("word", 0o600, "correct horse battery staple 123"), "no random key"},
		"zeros":              {file("zeros", 0o600, strings.Repeat("0", 64)), "not random"},
		"zeros, raw":         {file("raw", 0o600, strings.Repeat("\x00", 32)), "not random"},
		"a large file":       {file("large", 0o600, strings.Repeat(digits, 1000)), "holds no key"},
		"in the state":       {filepath.Join(state, "key"), "state directory"},
		"linked into it":     {link, "state directory"},
	} {
		k, err := Load(c.path, state)
		if k != nil || fault.CodeOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%s: exit code %d, hint %q: %v", name, fault.CodeOf(err), fault.HintOf(err), err)
			continue
		}
		text := err.Error() + fault.HintOf(err)
		if !strings.Contains(text, c.says) || strings.Contains(text, "\n") || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%s: says %q", name, text)
		}
		for at := range len(digits) - 8 {
			if strings.Contains(text, digits[at:at+8]) {
				t.Fatalf("%s: tells the key: %q", name, text)
			}
		}
	}
}

// TestKeyIsNotShown by anything that prints.
func TestKeyIsNotShown(t *testing.T) {
	secret := secretOf(3)
	k := New(secret)
	var b bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(h).Info("key", "key", k, "options", struct{ Key *Key }{k})
	}
	fmt.Fprintf(&b, "%v %+v %#v %s %x %d %v", k, k, k, k, k, k, struct{ Key *Key }{k})
	for _, form := range []string{string(secret[:4]), hex.EncodeToString(secret[:4]), fmt.Sprint(secret[0], secret[1]), fmt.Sprintf("%#x", secret[0])} {
		if strings.Contains(b.String(), form) {
			t.Errorf("the key is shown: %s", b.String())
		}
	}
}

// FuzzParse: what is taken is 32 bytes that are random enough, whatever the file.
func FuzzParse(f *testing.F) {
	secret := secretOf(4)
	f.Add(secret[:])
	f.Add([]byte(hex.EncodeToString(secret[:]) + "\n"))
	f.Add([]byte(base64.StdEncoding.EncodeToString(secret[:])))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parse(b)
		if err != nil {
			return
		}
		back, err := parse([]byte(hex.EncodeToString(s[:])))
		if err != nil || back != s {
			t.Fatalf("%x gives %x, which gives %x: %v", b, s, back, err)
		}
	})
}

// TestAuthIsItsOwnError: a caller branches on it.
func TestAuthIsItsOwnError(t *testing.T) {
	if _, err := New(secretOf(5)).Box("p", nil).Open(nil, nil, nil); !errors.Is(err, ErrAuth) {
		t.Errorf("nothing opens with %v", err)
	}
}
