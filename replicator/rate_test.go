package replicator_test

import (
	"strconv"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/control"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// TestRateWithoutLink caps what is read from the source where both ends are in one process, and raises the
// cap while rows are copied.
func TestRateWithoutLink(t *testing.T) {
	t.Parallel()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE doc (id int PRIMARY KEY, body text); INSERT INTO doc SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 4000) i; ANALYZE")
	p.o.MaxRate = "200kB/s"
	began := time.Now()
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Copying)
	capped := func(rate int64) {
		if !e.awaitStatus(p.o.Dir, func(s status.Status) bool { return s.Copy.MaxRate == rate }) {
			t.Fatalf("status shows no cap of %d\n%s", rate, e.out)
		}
	}
	capped(200 << 10)
	c := control.Client(p.o.Dir)
	if err := c.Set(t.Context(), "compress", "off"); fault.CodeOf(err) != fault.Usage {
		t.Errorf("compression where there is no link: %v", err)
	}
	if err := c.Set(t.Context(), "max-rate", "2MB/s"); err != nil {
		t.Fatal(err)
	}
	raised := time.Now()
	capped(2 << 20)
	e.mustReach(p.o.Dir, status.Following)
	s, err := replicator.ReadStatus(t.Context(), p.o.Dir, "")
	if err != nil {
		t.Fatal(err)
	}
	most := 0.2e6*raised.Sub(began).Seconds() + 2e6*time.Since(raised).Seconds() + 200e3 // and what is under way
	if bytes := float64(s.Copy.Bytes); bytes < 3e6 || bytes > most {
		t.Errorf("%s bytes were copied, at most %.0f at this rate", strconv.FormatInt(s.Copy.Bytes, 10), most)
	}
	e.kill()
	p.o.MaxRate = "" // what was set last holds
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
}
