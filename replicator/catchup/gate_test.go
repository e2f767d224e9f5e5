package catchup

import (
	"errors"
	"strings"
	"testing"
	"time"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/wal/slot"
)

// healthy are findings with which every gate is open.
func healthy() Findings {
	return Findings{
		Slot: slot.State{Exists: true, WALStatus: "reserved", SafeSize: -1, Retained: 1 << 20}, RetainBudget: 16 << 30,
		Proofs: []Proof{{Table: "ed.visit", At: nineteen.Add(-time.Hour)}},
		Late:   []chunker.Table{{Schema: "ed", Name: "cache", Bytes: 1 << 20}},
		Free:   8 << 30, TargetFree: 8 << 30,
	}
}

// TestGatesAreJudged closes each gate by itself, for every reason that it has.
func TestGatesAreJudged(t *testing.T) {
	for _, tt := range []struct {
		gate, name string // "" closes none
		found      func(*Findings)
		o          Gates
	}{
		{"", "healthy", func(*Findings) {}, Gates{}},
		{"", "healthy, with every bound", func(*Findings) {}, Gates{VerifiedWithin: 2 * time.Hour, MaxLate: 1 << 30, MaxLag: 1}},
		{"lag", "too far behind", func(f *Findings) { f.Lag = DefaultMaxLag + 1 }, Gates{}},
		{"", "at the bound", func(f *Findings) { f.Lag = DefaultMaxLag }, Gates{}},
		{"lag", "own bound", func(f *Findings) { f.Lag = 2 }, Gates{MaxLag: 1}},
		{"changed tables", "drift", func(f *Findings) {
			f.Changed = fault.New(fault.Preflight, errors.New("table ed.visit has other columns"), "undo it")
		}, Gates{}},
		{"last verification", "too old", func(*Findings) {}, Gates{VerifiedWithin: time.Minute}},
		{"last verification", "void", func(f *Findings) { f.Proofs = append(f.Proofs, Proof{Table: "ed.bed", Void: "never verified"}) }, Gates{VerifiedWithin: 2 * time.Hour}},
		{"", "void, without a bound", func(f *Findings) { f.Proofs[0].Void = "never verified" }, Gates{}},
		{"", "nothing to verify", func(f *Findings) { f.Proofs = nil }, Gates{VerifiedWithin: time.Hour}},
		{"open transactions", "old", func(f *Findings) { f.Transactions = []slot.Blocker{{PID: 7, Age: time.Hour}} }, Gates{}},
		{"", "old, without a bound", func(f *Findings) { f.Transactions = []slot.Blocker{{PID: 7, Age: time.Hour}} }, Gates{MaxTransactionAge: -1}},
		{"", "young", func(f *Findings) { f.Transactions = []slot.Blocker{{PID: 7, Age: time.Minute}} }, Gates{}},
		{"open transactions", "prepared", func(f *Findings) { f.Transactions = []slot.Blocker{{Prepared: "x", Age: time.Hour}} }, Gates{}},
		{"", "hidden", func(f *Findings) { f.Hidden = true }, Gates{}},
		{"late tables", "too many", func(*Findings) {}, Gates{MaxLate: 1<<20 - 1}},
		{"slot", "gone", func(f *Findings) { f.Slot = slot.State{} }, Gates{}},
		{"slot", "lost", func(f *Findings) { f.Slot.WALStatus = "lost" }, Gates{}},
		{"slot", "invalidated", func(f *Findings) { f.Slot.Invalidation = "wal_removed" }, Gates{}},
		{"slot", "about to be lost", func(f *Findings) { f.Slot.WALStatus = "unreserved" }, Gates{}},
		{"slot", "too much retained", func(f *Findings) { f.RetainBudget = 1 }, Gates{}},
		{"", "retained, and allowed", func(f *Findings) { f.RetainBudget = 1 }, Gates{MaxRetained: 1 << 30}},
		{"slot", "nothing more is confirmed", func(f *Findings) { f.LogFull = true }, Gates{}},
		{"disk of the change log", "full", func(f *Findings) { f.Free = leastFree - 1 }, Gates{}},
		{"", "disks that are not known", func(f *Findings) { f.Free, f.TargetFree = -1, -1 }, Gates{}},
		{"", "little is enough", func(f *Findings) { f.Free, f.TargetFree = 2, 2 }, Gates{MinFree: 2}},
		{"disk of the target", "full", func(f *Findings) { f.TargetFree = leastFree }, Gates{}},
	} {
		t.Run(tt.gate+" "+tt.name, func(t *testing.T) {
			f, o := healthy(), Options{Gates: tt.o}
			o.defaults()
			tt.found(&f)
			for _, g := range o.judge(&f, nineteen) {
				if g.Closed != (g.Name == tt.gate) {
					t.Errorf("%+v", g)
				}
				if g.Found == "" || g.Allowed == "" || g.Closed != (g.Hint != "") {
					t.Errorf("what was found, what is allowed, and what to do: %+v", g)
				}
			}
		})
	}
}

// TestUnknownIsSaid: what cannot be seen is not taken for good.
func TestUnknownIsSaid(t *testing.T) {
	f, o := healthy(), Options{}
	o.defaults()
	f.Free, f.TargetFree, f.Hidden = -1, -1, true
	for _, g := range o.judge(&f, nineteen) {
		unknown := g.Name == "open transactions" || strings.HasPrefix(g.Name, "disk")
		if unknown != (g.State() == "not known") || unknown != strings.Contains(g.Found, "not known") || g.Closed {
			t.Errorf("%+v is %s", g, g.State())
		}
	}
}
