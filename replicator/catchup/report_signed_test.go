package catchup

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"replicator/replicator/sign"
)

func newKey(t *testing.T) sign.Key {
	t.Helper()
	key, err := sign.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// verified is the statement that a document's signature holds.
func verified(t *testing.T, d Document, key sign.Public) sign.Statement {
	t.Helper()
	sig, err := sign.ParseSignature(d.Signature)
	if err != nil {
		t.Fatalf("%s: %v", d.Extension, err)
	}
	s, err := sig.Verify(bytes.NewReader(d.Text), key)
	if err != nil {
		t.Fatalf("%s: %v", d.Extension, err)
	}
	return s
}

func TestSign(t *testing.T) {
	key, r := newKey(t), reported(Opened, nil)
	if err := r.Sign(key); err != nil {
		t.Fatal(err)
	}
	if len(r.Documents) != 2 || r.Documents[0].Extension != "json" || r.Documents[1].Extension != "html" {
		t.Fatalf("documents %+v, want json and html", r.Documents)
	}
	want := sign.Statement{Job: "emr", Outcome: "open", Time: r.Finished.Truncate(time.Second), Fence: r.FenceLSN, Operator: "postgres@emr-1 (sudo by anna)"}
	for _, d := range r.Documents {
		if got := verified(t, d, key.Public()); got != want {
			t.Errorf("%s: statement %+v, want %+v", d.Extension, got, want)
		}
		if !strings.Contains(string(d.Text), escaped(d.Extension, key.Public().String())) {
			t.Errorf("%s does not name its key", d.Extension)
		}
	}
	var back Report
	if err := json.Unmarshal(r.Documents[0].Text, &back); err != nil || back.PublicKey != key.Public().String() || back.Documents != nil {
		t.Errorf("read back: key %q, %d documents, error %v", back.PublicKey, len(back.Documents), err)
	}
}

// escaped is text as the page writes it.
func escaped(extension, text string) string {
	if extension == "html" {
		return strings.ReplaceAll(text, "+", "&#43;")
	}
	return text
}

// TestSignAgain is what --report-key does: a site's key takes the place of the job's.
func TestSignAgain(t *testing.T) {
	job, site, r := newKey(t), newKey(t), reported(Failed, errDiffer)
	for _, key := range []sign.Key{job, site} {
		if err := r.Sign(key); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range r.Documents {
		if got := verified(t, d, site.Public()); got.Outcome != "failed" {
			t.Errorf("%s: outcome %s, want failed", d.Extension, got.Outcome)
		}
		if strings.Contains(string(d.Text), escaped(d.Extension, job.Public().String())) {
			t.Errorf("%s still names the job's key", d.Extension)
		}
	}
}

func TestRehearsalHasNoFence(t *testing.T) {
	key, r := newKey(t), reported(Rehearsed, nil)
	if err := r.Sign(key); err != nil {
		t.Fatal(err)
	}
	if s := verified(t, r.Documents[0], key.Public()); !s.Fence.IsZero() || s.Outcome != "rehearsed" {
		t.Errorf("statement %+v", s)
	}
}

func TestUnsignedSaysSo(t *testing.T) {
	r := reported(Opened, nil)
	r.PublicKey = ""
	list, err := r.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if d.Signature != nil {
			t.Errorf("%s has a signature", d.Extension)
		}
	}
	if page := string(list[1].Text); !strings.Contains(page, "not signed") || strings.Contains(page, "minisign") {
		t.Error("the page of an unsigned report speaks of a signature")
	}
}

func TestOperator(t *testing.T) {
	for want, o := range map[string]Operator{
		"not told":                      {},
		"dba@emr-1":                     {User: "dba", Host: "emr-1"},
		"postgres@emr-1 (sudo by anna)": {User: "postgres", Host: "emr-1", Sudo: "anna"},
	} {
		if got := o.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
