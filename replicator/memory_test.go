package replicator_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/status"
)

// mostResident is what DESIGN.md allows for any table, row mix or transaction.
const mostResident = 300 << 20

// peak is the most memory that the engine has had resident so far.
func (e *engine) peak() int64 {
	e.t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.cmd.Process.Pid))
	if err != nil {
		e.t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if v, is := strings.CutPrefix(line, "VmHWM:"); is {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			if err != nil {
				e.t.Fatal(err)
			}
			return kib << 10
		}
	}
	e.t.Fatal("the kernel does not tell VmHWM")
	return 0
}

// mustStayBelow checks the peak so far.
func (e *engine) mustStayBelow(most int64, what string) {
	e.t.Helper()
	peak := e.peak()
	e.t.Logf("%s: peak %d MiB", what, peak>>20)
	if peak > most {
		e.t.Errorf("%s: %d MiB resident, %d are allowed", what, peak>>20, most>>20)
	}
}

// mustApply waits until the target has everything that the source has committed by now.
func (p *pair) mustApply(e *engine) {
	p.t.Helper()
	// A rehearsal drains to a marker.
	if _, err := p.catchup(replicator.CatchupOptions{Rehearse: true}); err != nil {
		p.t.Fatalf("drain: %v\n%s", err, e.out)
	}
}

// memoryServers have room for the large values, and do not wait for disks.
func memoryPair(t *testing.T) *pair {
	settings := map[string]string{"max_wal_size": "8GB", "checkpoint_timeout": "1h", "wal_compression": "on", "logical_decoding_work_mem": "4MB"}
	p := newPair(t, server(t, "memory source", cluster.Config{Settings: settings}), server(t, "memory target", cluster.Config{Settings: settings}))
	p.o.ChunkBytes = 0
	return p
}

// TestMemoryOfLargeTransaction applies one transaction of many narrow rows: inserts, then updates
// that move every key, then deletes. Its rows come while it runs, and the source spills none.
func TestMemoryOfLargeTransaction(t *testing.T) {
	t.Parallel()
	p := memoryPair(t)
	p.exec(p.source, "CREATE TABLE narrow (id int PRIMARY KEY, v int)")
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.mustStayBelow(mostResident, "idle")
	for _, sql := range []string{
		fmt.Sprintf("INSERT INTO narrow SELECT i, i FROM generate_series(1, %d) i", largeTransaction),
		fmt.Sprintf("UPDATE narrow SET v = v + 1 WHERE id %% 4 = 0; UPDATE narrow SET id = -id WHERE id <= %d; DELETE FROM narrow WHERE id %% 3 = 0", largeTransaction/10),
	} {
		c := p.connect(p.source)
		if err := c.Exec(t.Context(), "BEGIN; "+sql); err != nil {
			t.Fatal(err)
		}
		p.awaitSpool(e, largeTransaction/10)
		e.mustStayBelow(mostResident, "not committed: "+sql)
		if err := c.Exec(t.Context(), "COMMIT"); err != nil {
			t.Fatal(err)
		}
		c.Close()
		p.mustApply(e)
		e.mustStayBelow(mostResident, sql)
	}
	e.terminate() // the walsender has told its numbers when it is gone
	if streamed, spilled := p.streamed(); streamed < 2 || spilled > 0 {
		t.Errorf("%d transactions were streamed, %d spilled", streamed, spilled)
	}
	p.compare()
}

// TestMemoryOfOneLargeValue copies and follows a value that PostgreSQL itself needs whole.
func TestMemoryOfOneLargeValue(t *testing.T) {
	t.Parallel()
	const size = largeValue
	p := memoryPair(t)
	p.exec(p.source, fmt.Sprintf("CREATE TABLE scan (id int PRIMARY KEY, doc bytea); INSERT INTO scan SELECT 1, convert_to(repeat('0123456789abcdef', %d), 'UTF8')", size/16))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.mustStayBelow(mostResident+8*size, "copy")
	p.exec(p.source, "INSERT INTO scan SELECT 2, doc FROM scan; UPDATE scan SET id = 3 WHERE id = 2")
	p.mustApply(e)
	e.mustStayBelow(mostResident+8*size, "changes")
	p.compare()
}

// TestMemoryOfBothEnds moves many-columned rows, wide rows and changes to another site with more
// sessions than the default, and looks at both ends.
func TestMemoryOfBothEnds(t *testing.T) {
	t.Parallel()
	p := memoryPair(t)
	p.o.Jobs, p.o.ChunkBytes = 8, 8<<20
	p.exec(p.source, fmt.Sprintf(`CREATE TABLE obs (id bigint PRIMARY KEY, patient int, code text, at timestamptz, v numeric, unit text, flags int[], note text);
		INSERT INTO obs SELECT i, i %% 5000, 'code' || i %% 100, '2026-01-01'::timestamptz + i * interval '1 second', i / 7.0, 'mmol/l', ARRAY[i, i %% 3], md5(i::text) FROM generate_series(1, %d) i;
		CREATE TABLE wide (id int PRIMARY KEY, v int, doc text);
		INSERT INTO wide SELECT i, 0, repeat(md5(i::text), 940) FROM generate_series(1, 6000) i; ANALYZE`, 2*largeTransaction))
	s := p.far()
	p.o.Link.Streams = 8
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.mustStayBelow(mostResident, "copy, source end")
	s.service.mustStayBelow(mostResident, "copy, target end")
	p.exec(p.source, "UPDATE wide SET v = 1, doc = reverse(doc); UPDATE obs SET v = v + 1 WHERE id % 5 = 0")
	p.mustApply(e)
	e.mustStayBelow(mostResident, "changes, source end")
	s.service.mustStayBelow(mostResident, "changes, target end")
	p.compare()
}
