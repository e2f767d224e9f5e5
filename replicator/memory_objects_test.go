//go:build memory

package replicator_test

import (
	"fmt"
	"testing"
	"time"

	"replicator/replicator/status"
)

// TestMemoryOfLargeObjects moves 100,000 small objects and one of 500 MB to another site and follows their
// changes, and tells how long rounds take.
func TestMemoryOfLargeObjects(t *testing.T) {
	p := memoryPair(t)
	p.exec(p.source, fmt.Sprintf(objectsSchema, 500))
	p.exec(p.source, "SELECT count(lo_from_bytea(1000000 + i, decode(repeat(md5(i::text), 400), 'hex'))) FROM generate_series(1, 97000) i; CHECKPOINT")
	s := p.far()
	p.o.ObjectsEvery = time.Second
	e := startEngine(t, orders{Options: p.o})
	round := func(what string, after int) int {
		t.Helper()
		var o status.LargeObjects
		if !e.awaitStatus(p.o.Dir, func(s status.Status) bool {
			if s.LargeObjects == nil || s.LargeObjects.Rounds <= after || s.LargeObjects.Looked < s.LargeObjects.Ranges {
				return false
			}
			o = *s.LargeObjects
			return true
		}) {
			t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
		}
		t.Logf("%s: %d objects, %d MiB, %d ranges, %d differed, %.1f s", what, o.Objects, o.Bytes>>20, o.Ranges, o.Different, o.Seconds)
		e.mustStayBelow(mostResident, what+", source end")
		s.service.mustStayBelow(mostResident, what+", target end")
		return o.Rounds
	}
	n := round("first round", 0)
	n = round("compared by content", n)
	n = round("unchanged", n)
	p.exec(p.source, "SELECT lo_put(500000, 250000000, 'x'), lo_put(1000005, 0, 'y')")
	n = round("two changed", n)
	round("after that", n)
	e.mustReach(p.o.Dir, status.Following)
	report := p.mustCatchup()
	for _, step := range report.Steps {
		if step.Name == "large objects" {
			t.Logf("at the fence: %.1f s, %s", step.Seconds, step.Detail)
		}
	}
	<-e.gone
	p.sameObjects()
}
