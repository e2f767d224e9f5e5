package replicator_test

import (
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/status"
)

// TestRefusalWhileFollowing has the service come back with a certificate that the engine does not know:
// the engine goes on keeping changes, and the target gets them when that is mended.
func TestRefusalWhileFollowing(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(300))
	s := p.far()
	h := startHammer(t, p.source, seedOf(t), 2, 300)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	s.service.kill()
	good := s.o
	others := newCertificates(t)
	s.o.Cert, s.o.Key, s.o.CA = others.file("target.crt"), others.file("target.key"), others.file("ca.crt")
	s.start(orders{})
	var durable status.Log
	if !e.awaitStatus(p.o.Dir, func(s status.Status) bool {
		durable = s.Log
		return s.Link != nil && !s.Link.Connected && s.Waiting != ""
	}) {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	if !e.awaitStatus(p.o.Dir, func(s status.Status) bool { return s.Log.Durable > durable.Durable }) {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	s.service.kill()
	s.o = good
	s.start(orders{})
	p.finishWith(e, h)
}
