package replicator_test

import (
	"bytes"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/sign"
	"replicator/replicator/status"
)

// signedBy verifies what a command would write, and gives the signed statement.
func signedBy(t *testing.T, r *catchup.Report) (s sign.Statement) {
	t.Helper()
	key, err := sign.ParsePublic([]byte(r.PublicKey))
	if err != nil || len(r.Documents) != 2 {
		t.Fatalf("%d documents, public key %q: %v", len(r.Documents), r.PublicKey, err)
	}
	for _, d := range r.Documents {
		checkCanary(t, string(d.Text)+string(d.Signature))
		signature, err := sign.ParseSignature(d.Signature)
		if err == nil {
			s, err = signature.Verify(bytes.NewReader(d.Text), key)
		}
		if err != nil {
			t.Fatalf("%s %v", d.Extension, err)
		}
	}
	return s
}

// TestReportsAreSigned: a rehearsal with the engine that runs, and after its end and another start the
// catch-up, are signed with one key, and say who asked for them.
func TestReportsAreSigned(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, '"+canary+"' FROM generate_series(1, 100) i")
	p.o.KeyFile, _ = keyFile(t, seedOf(t))
	who := catchup.Operator{User: "dba", Host: "emr-1"}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	rehearsed, err := p.catchup(replicator.CatchupOptions{Rehearse: true, Operator: who})
	if err != nil {
		t.Fatal(err)
	}
	if code := e.terminate(); code != int(fault.Interrupted) {
		t.Fatalf("engine ended with %d:\n%s", code, e.out)
	}
	opened, err := p.catchup(replicator.CatchupOptions{KeyFile: p.o.KeyFile, Operator: who})
	if err != nil {
		t.Fatal(err)
	}
	for want, r := range map[string]*catchup.Report{"rehearsed": rehearsed, "open": opened} {
		s := signedBy(t, r)
		if s.Job != r.Job || s.Outcome != want || s.Fence.IsZero() != r.Rehearsal || s.Operator != "dba@emr-1" {
			t.Errorf("statement %+v of a report of job %s, %s, fence %s", s, r.Job, r.Outcome, r.FenceLSN)
		}
		if c := r.Configuration; r.Operator != who || !c.Sealed || c.ChunkBytes != p.o.ChunkBytes || c.MaxLag == 0 || c.RetainBudget == 0 {
			t.Errorf("operator %v, configuration %+v", r.Operator, c)
		}
		if r.Source.ServerVersion == "" || r.Target.ServerVersion == "" || r.Tool == "" {
			t.Errorf("versions of source %+v, target %+v, replicator %q", r.Source, r.Target, r.Tool)
		}
		for _, step := range r.Steps {
			if step.Started.Before(r.Started) || step.Seconds < 0 || step.Started.After(r.Finished) {
				t.Errorf("step %+v of a report from %s to %s", step, r.Started, r.Finished)
			}
		}
	}
	if rehearsed.PublicKey != opened.PublicKey {
		t.Error("the job's key has changed")
	}
}
