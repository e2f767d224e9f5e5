package replicator_test

import (
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/bench/proxy"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/sizing"
)

// TestBenchOverALine measures the way to another site and what goes through it, and leaves nothing.
func TestBenchOverALine(t *testing.T) {
	t.Parallel()
	src, tgt := server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{})
	p := newPair(t, src, tgt)
	p.exec(p.source, `CREATE TABLE reading (id int PRIMARY KEY, v text);
		INSERT INTO reading SELECT i, '`+canary+`' || md5(i::text) FROM generate_series(1, 40000) i; ANALYZE`)
	s := p.far()
	const rate = 4 << 20 // bytes a second
	line, err := proxy.Listen(t.Context(), proxy.Config{Target: s.o.Listen, Buffer: 1 << 20,
		Up: proxy.Line{Delay: 5 * time.Millisecond, Rate: rate}, Down: proxy.Line{Delay: 5 * time.Millisecond, Rate: rate}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	way := p.o.Link
	way.Host = line.Addr()
	objects := func() string {
		return p.value(p.target, `SELECT coalesce(string_agg(n.nspname || '.' || coalesce(relname, ''), ' ' ORDER BY 1), '') FROM pg_namespace n
			LEFT JOIN pg_class c ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'`)
	}
	before := objects()
	o := sizing.Options{Source: p.source, Duration: 12 * time.Second, Jobs: 2}
	r, err := replicator.Bench(t.Context(), sizing.NetworkPart, o, way, "")
	if err != nil {
		t.Fatal(err)
	}
	n := r.Network
	if rtt := n.RoundTrip.P50; rtt < 0.010 || rtt > 1 {
		t.Errorf("round trip of a line of 10 ms: %v s", rtt)
	}
	// What was under way in the proxy's buffers may count for a line that was never empty.
	if n.Wire < rate/2 || n.Wire > 2*rate {
		t.Errorf("a wire of %d bytes a second carries %.0f: %+v", rate, n.Wire, n.Up)
	}
	if len(n.Down) == 0 || len(n.Rows) == 0 || n.Best == nil {
		t.Fatalf("network: %+v", n)
	}
	r, err = replicator.Bench(t.Context(), sizing.PathPart, o, way, "")
	if err != nil {
		t.Fatal(err)
	}
	if r.Forecast == nil || r.Path.Bytes == 0 || r.Forecast.Seed.Total <= 0 {
		t.Errorf("path: %+v", r.Path)
	}
	if after := objects(); after != before {
		t.Errorf("left behind:\n%s\nbefore:\n%s", after, before)
	}
	s.service.terminate()
	_, err = replicator.Bench(t.Context(), sizing.NetworkPart, o, way, "")
	if fault.CodeOf(err) != fault.Link {
		t.Errorf("nobody listens: %d %v", fault.CodeOf(err), err)
	}
	if err != nil && strings.Contains(err.Error(), "\n") {
		t.Errorf("not one line: %q", err)
	}
}
