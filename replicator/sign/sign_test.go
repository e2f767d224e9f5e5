package sign

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// stated is what the golden signature says.
var stated = Statement{
	Job: "emr", Outcome: "open", Time: time.Date(2026, 11, 22, 19, 3, 12, 0, time.UTC), Fence: 0x16B374D848,
	Operator: "dba (sudo by anna)@emr-1",
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func siteKey(t *testing.T) Key {
	t.Helper()
	k, err := parse(golden(t, "site.key"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSignsAsMinisignDoes: Ed25519 has no randomness, so the same key, file and comments must give the
// same bytes as Debian's minisign 0.11 gave.
func TestSignsAsMinisignDoes(t *testing.T) {
	got, err := siteKey(t).Sign(bytes.NewReader(golden(t, "report.txt")), stated)
	if err != nil {
		t.Fatal(err)
	}
	if want := golden(t, "report.txt.minisig"); !bytes.Equal(got, want) {
		t.Errorf("signature\n%s\nwant\n%s", got, want)
	}
}

func TestPublicKeyIsMinisigns(t *testing.T) {
	p, err := ParsePublic(golden(t, "site.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if !p.Equal(siteKey(t).Public()) {
		t.Error("the public key is not that of the secret one")
	}
	if want := strings.Fields(string(golden(t, "site.pub"))); p.String() != want[len(want)-1] || p.ID() != want[len(want)-2] {
		t.Errorf("key %s, ID %s, want %s", p, p.ID(), want)
	}
	for name, text := range map[string][]byte{"file": p.File(), "base64": []byte(p.String())} {
		if back, err := ParsePublic(text); err != nil || !back.Equal(p) {
			t.Errorf("%s does not read back: %v", name, err)
		}
	}
}

// verify is what a caller does.
func verify(message, signature []byte, key Public) (Statement, error) {
	sig, err := ParseSignature(signature)
	if err != nil {
		return Statement{}, err
	}
	return sig.Verify(bytes.NewReader(message), key)
}

func TestVerify(t *testing.T) {
	key := siteKey(t).Public()
	report, signature := golden(t, "report.txt"), golden(t, "report.txt.minisig")
	if got, err := verify(report, signature, key); err != nil || got != stated {
		t.Errorf("statement %+v, error %v, want %+v", got, err, stated)
	}
	other, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(signature), "\n")
	for _, tc := range []struct {
		name      string
		report    []byte
		signature string
		key       Public
		want      string
	}{
		{"another key", report, string(signature), other.Public(), "is signed with key 72735B4993E97EF0, not with key " + other.Public().ID()},
		{"a byte more", append(bytes.Clone(report), '\n'), string(signature), key, errChanged.Error()},
		{"nothing", nil, string(signature), key, errChanged.Error()},
		{"another outcome", report, strings.Replace(string(signature), "outcome:open", "outcome:failed", 1), key, errChanged.Error()},
		{"another comment's signature", report, lines[0] + lines[1] + lines[2] + strings.SplitAfter(string(golden(t, "other.minisig")), "\n")[3], key, errChanged.Error()},
		{"of something else", report, string(golden(t, "other.minisig")), key, errNoStatement.Error()},
		{"of the old kind", report, string(golden(t, "legacy.minisig")), key, errLegacy.Error()},
		{"half a signature", report, lines[0] + lines[1], key, errNoFormat.Error()},
		{"no signature", report, "", key, errNoFormat.Error()},
		{"itself for a signature", report, string(report), key, errNoFormat.Error()},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, err := verify(tc.report, []byte(tc.signature), tc.key); err == nil || err.Error() != tc.want || got != (Statement{}) {
				t.Errorf("statement %+v, error %v, want %s", got, err, tc.want)
			}
		})
	}
}

// TestEveryBitCounts turns each bit of the report, and each of what the signature signs.
func TestEveryBitCounts(t *testing.T) {
	key := siteKey(t).Public()
	report, signature := golden(t, "report.txt"), golden(t, "report.txt.minisig")
	for i := range len(report) * 8 {
		changed := bytes.Clone(report)
		changed[i/8] ^= 1 << (i % 8)
		if _, err := verify(changed, signature, key); !errors.Is(err, errChanged) {
			t.Errorf("report, bit %d: error %v", i, err)
		}
	}
	start := bytes.Index(signature, []byte("\nRU")) // the first line is a comment that nobody signed
	for i := start * 8; i < len(signature)*8; i++ {
		changed := bytes.Clone(signature)
		changed[i/8] ^= 1 << (i % 8)
		if got, err := verify(report, changed, key); err == nil && !sameSignature(changed, signature) {
			t.Errorf("signature, byte %d bit %d: verified as %+v", i/8, i%8, got)
		}
	}
}

// sameSignature reports whether two texts are one signature: base64 has bits that mean nothing, and
// line ends that do not count.
func sameSignature(a, b []byte) bool {
	x, err := ParseSignature(a)
	y, yerr := ParseSignature(b)
	return err == nil && yerr == nil && x.s.Equal(y.s)
}

func TestVerifyTellsAReadErrorApart(t *testing.T) {
	sig, err := ParseSignature(golden(t, "report.txt.minisig"))
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("input/output error")
	var read *ReadError
	if _, err := sig.Verify(iotest.ErrReader(broken), siteKey(t).Public()); !errors.As(err, &read) || !errors.Is(err, broken) {
		t.Errorf("error %v, want the reader's", err)
	}
	if _, err := siteKey(t).Sign(iotest.ErrReader(broken), stated); !errors.Is(err, broken) {
		t.Errorf("error %v, want the reader's", err)
	}
}

func TestKeyIsKeptAsText(t *testing.T) {
	k, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	text, err := k.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var back Key
	if err := back.UnmarshalText(text); err != nil || !back.Public().Equal(k.Public()) {
		t.Fatalf("does not read back: %v", err)
	}
	signature, err := back.Sign(strings.NewReader("report"), stated)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify([]byte("report"), signature, k.Public()); err != nil {
		t.Error(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if got := fmt.Sprintf(verb, k); got != "[key]" {
			t.Errorf("%s shows %s", verb, got)
		}
	}
}

func FuzzParseSignature(f *testing.F) {
	for _, name := range []string{"report.txt.minisig", "legacy.minisig", "other.minisig"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	text, err := os.ReadFile(filepath.Join("testdata", "site.pub"))
	if err != nil {
		f.Fatal(err)
	}
	key, err := ParsePublic(text)
	if err != nil {
		f.Fatal(err)
	}
	report, err := os.ReadFile(filepath.Join("testdata", "report.txt"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := verify(report, text, key); err == nil && got != stated {
			t.Errorf("verified as %+v", got)
		}
	})
}
