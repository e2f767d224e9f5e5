package replicator_test

import (
	"slices"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// predicted is what a rehearsal says of a step.
func (p *pair) predicted(step string) catchup.Prediction {
	p.t.Helper()
	r, err := p.catchup(replicator.CatchupOptions{Rehearse: true})
	if err != nil {
		p.t.Fatalf("rehearsal: %v", err)
	}
	i := slices.IndexFunc(r.Predictions, func(q catchup.Prediction) bool { return q.Step == step })
	if i < 0 {
		p.t.Fatalf("nothing is predicted of %s: %+v", step, r.Predictions)
	}
	return r.Predictions[i]
}

// mustRest wants a prediction to rest on what its words say.
func (p *pair) mustRest(step string, words ...string) {
	p.t.Helper()
	got := p.predicted(step)
	for _, w := range words {
		if !strings.Contains(got.Basis, w) {
			p.t.Errorf("%s is predicted to take %v s: %s; without %q", step, got.Seconds, got.Basis, w)
		}
	}
	if unknown := strings.Contains(got.Basis, "no catch-up has done it"); unknown != (got.Seconds < 0) {
		p.t.Errorf("%+v", got)
	}
}

// TestPredictionsRestOnWhatWasMeasured rehearses when nothing was measured but the copy, after a verification,
// with rows that changed since, and after a catch-up that failed; also in another process.
func TestPredictionsRestOnWhatWasMeasured(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, gated)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustRest("verify", "assumed, as nothing was verified yet")
	p.mustRest("fence the source", "no catch-up has done it before")
	for strings.Contains(p.predicted("late tables").Basis, "assumed") { // the copy is counted every two seconds
		p.exec(p.source, "SELECT pg_sleep(0.05)")
	}
	p.mustRest("late tables", "as the copy of ")
	if r, err := p.verify(verify.Options{}); err != nil {
		t.Fatalf("verify: %v, %+v", err, r)
	}
	p.exec(p.source, "UPDATE h.bed SET pad = 'changed' WHERE id <= 30")
	p.mustRest("verify", "as the verification of ", "30 changed rows at ", "as looked up now")

	p.exec(p.target, "SET session_replication_role = replica; UPDATE h.bed SET pad = 'damaged' WHERE id = 7")
	if _, err := p.catchup(replicator.CatchupOptions{}); fault.CodeOf(err) != fault.Mismatch {
		t.Fatalf("catch-up over damage: %v", err)
	}
	e.terminate()
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustRest("late tables", "copied and indexed as in the catch-up of ")
	p.mustRest("fence the source", "as in the catch-up of ")
	p.mustRest("open the target", "no catch-up has done it before")
}
