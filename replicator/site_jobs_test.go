package replicator_test

import (
	"path/filepath"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/status"
)

// TestTwoJobsOneService moves two databases at once through one service whose DSN names none: each goes
// where its job asks for, and what becomes of one is nothing to the other.
func TestTwoJobsOneService(t *testing.T) {
	t.Parallel()
	a := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	b := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	database := func(dsn string) string { return dsn[strings.LastIndex(dsn, "/")+1 : strings.IndexByte(dsn+"?", '?')] }
	certs := newCertificates(t)
	target := strings.Replace(a.target, "/"+database(a.target), "/", 1)
	s := &site{t: t, o: replicator.ServeOptions{Target: target, Listen: freePort(t), Dir: filepath.Join(t.TempDir(), "serve"),
		Cert: certs.file("target.crt"), Key: certs.file("target.key"), CA: certs.file("ca.crt")}}
	s.start(orders{})
	engines := map[*pair]*engine{}
	hammers := map[*pair]*hammer{}
	for _, p := range []*pair{a, b} {
		p.exec(p.source, hammerSchema+hammerRows(500))
		p.o.Link = replicator.Link{Host: s.o.Listen, Database: database(p.target), Cert: certs.file("source.crt"), Key: certs.file("source.key"), CA: certs.file("ca.crt")}
		p.o.Target = ""
		hammers[p] = startHammer(t, p.source, seedOf(t), 2, 500)
		engines[p] = startEngine(t, orders{Options: p.o})
	}
	engines[a].mustReach(a.o.Dir, status.Following)
	engines[b].mustReach(b.o.Dir, status.Following)
	engines[a].kill()
	b.finishWith(engines[b], hammers[b])
	a.finish(hammers[a])
}
