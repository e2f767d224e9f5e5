package replicator_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"replicator/bench/cluster"
	"replicator/bench/proxy"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/verify"
)

// listener sees the calls of a source end and their results, and counts the calls. Behind it is the line.
type listener struct {
	tamperer
	line *proxy.Proxy

	mu       sync.Mutex
	calls    int
	methods  map[uint64]string // of calls that were made, by their numbers
	asked    func(method string)
	answered func(method string)
}

// The kinds of message that a listener looks at, and the flag of a packed body.
const (
	callMessage   = 2
	resultMessage = 33
	packedBody    = 1
)

// hear passes everything on.
func (l *listener) hear(t *tamperer, c *tampered, m []byte) [][]byte {
	id := binary.BigEndian.Uint64(m[32:])
	l.mu.Lock()
	var told func(string)
	switch m[4] {
	case callMessage:
		l.calls++
		l.methods[id] = methodOf(m)
		told = l.asked
	case resultMessage:
		told = l.answered
	}
	method := l.methods[id]
	l.mu.Unlock()
	if told != nil {
		told(method)
	}
	return [][]byte{m}
}

// methodOf is the method of a call.
func methodOf(m []byte) string {
	body := m[headerBytes:]
	if m[5]&packedBody != 0 {
		z, err := zstd.NewReader(nil)
		if err != nil {
			return err.Error()
		}
		defer z.Close()
		if body, err = z.DecodeAll(body, nil); err != nil {
			return err.Error()
		}
	}
	_, rest, _ := strings.Cut(string(body), `"method":"`)
	method, _, _ := strings.Cut(rest, `"`)
	return method
}

// during counts the calls while f runs. asked and answered may be nil.
func (l *listener) during(asked, answered func(method string), f func()) int {
	l.mu.Lock()
	l.calls, l.asked, l.answered = 0, asked, answered
	l.mu.Unlock()
	f()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked, l.answered = nil, nil
	return l.calls
}

// cutAt is for during: the line is cut for a moment when a method is met, once.
func (l *listener) cutAt(method string) func(string) {
	var once sync.Once
	return func(m string) {
		if m == method {
			once.Do(func() {
				l.line.Cut()
				l.line.Resume()
			})
		}
	}
}

// farWithin moves a pair's target to another site 10 ms away, both ends in this process, and follows it.
func (p *pair) farWithin() *listener {
	p.t.Helper()
	l := &listener{methods: map[uint64]string{}}
	l.change = l.hear
	l.line = p.within(&l.tamperer, proxy.Line{Delay: 5 * time.Millisecond}).line
	return l
}

const (
	littleTables = 210 // more than one group
	// mostCalls is what a verification of all of them may ask the target end: to apply up to a point, for a
	// view of each group, its sums, and to close it; and who else was there.
	mostCalls = 20
)

// TestManyTablesFar compares many small tables with a target that is far away: what crosses the link are
// questions about many of them, not one about each. It finds one that differs, and outlasts cuts.
func TestManyTablesFar(t *testing.T) {
	t.Parallel()
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, fmt.Sprintf(`DO $$ BEGIN FOR i IN 1 .. %d LOOP
		EXECUTE format('CREATE TABLE t%%s (id int PRIMARY KEY, v text)', i);
		EXECUTE format('INSERT INTO t%%s SELECT g, ''%s'' || g FROM generate_series(1, %%s) g', i, i %% 7 * 20); END LOOP; END $$`, littleTables, canary))
	l := p.farWithin()
	p.verifyMany(l, nil, nil, mostCalls)

	p.exec(p.target, "SET session_replication_role = replica; UPDATE t118 SET v = 'other' WHERE id IN (7, 11); DELETE FROM t118 WHERE id = 20")
	var r *verify.Report
	var err error
	calls := l.during(nil, nil, func() { r, err = p.verify(verify.Options{}) })
	if fault.CodeOf(err) != fault.Mismatch || len(r.Tables) != littleTables || !slices.Equal(r.Different(), []string{"public.t118"}) || calls > mostCalls+4 {
		t.Fatalf("%d calls, %d tables, %v differ: %v", calls, len(r.Tables), r.Different(), err)
	}
	for _, table := range r.Tables {
		if !table.Equal && len(table.Differences) != 3 {
			t.Errorf("%+v differ, want 3 rows", table.Differences)
		}
	}
	if r, err = p.verify(verify.Options{Repair: true}); err != nil || r.Outcome != verify.Equal {
		t.Fatalf("repair: %v", err)
	}

	// The question is lost on its way, and then the answer: neither is asked for another time than again.
	before := l.line.Counters().Accepted
	p.verifyMany(l, l.cutAt("ViewTotals"), nil, mostCalls+2)
	once := l.line.Counters().Accepted
	p.verifyMany(l, nil, l.cutAt("ViewTotals"), mostCalls+2)
	if twice := l.line.Counters().Accepted; once == before || twice == once {
		t.Errorf("%d, %d, %d connections were made: the line was not cut", before, once, twice)
	}

	ctx, cancel := context.WithCancel(t.Context())
	l.during(func(method string) {
		if method == "ViewTotals" {
			cancel()
		}
	}, nil, func() {
		_, err = replicator.Verify(ctx, replicator.VerifyOptions{Dir: p.o.Dir}, func(verify.Event) {})
	})
	if err == nil || ctx.Err() == nil {
		t.Errorf("a cancelled verification ended with %v", err)
	}
	// It ends when what it was about has ended on both sides.
	for fault.CodeOf(err) != fault.OK {
		if _, err = p.verify(verify.Options{Tables: []string{"t1"}}); err != nil && fault.CodeOf(err) != fault.Usage {
			t.Fatal(err)
		}
	}
	p.verifyMany(l, nil, nil, mostCalls)

	// Of tables that are proved equal rows change, and one of those has gone from the target.
	p.exec(p.target, "SET session_replication_role = replica; DELETE FROM t118 WHERE id = 1")
	p.exec(p.source, fmt.Sprintf(`DO $$ BEGIN FOR i IN 1 .. %d LOOP EXECUTE format('UPDATE t%%s SET v = v || ''y'' WHERE id < 4', i); END LOOP; END $$`, littleTables))
	report := p.catchupFar(l, catchup.VerifyChanged)
	for _, table := range report.Tables {
		if !table.Changed || table.Rows > 3 || table.Equal == (table.Name == "public.t118") {
			t.Errorf("%+v", table)
		}
	}
	if r, err = p.verify(verify.Options{Repair: true}); err != nil || r.Outcome != verify.Equal {
		t.Fatalf("repair: %v", err)
	}
	if report = p.catchupFar(l, catchup.VerifyFull); report.Outcome != catchup.Opened {
		t.Errorf("the catch-up ended %s", report.Outcome)
	}
}

// catchupFar catches up, and wants all tables compared after few calls.
func (p *pair) catchupFar(l *listener, scope catchup.Verify) (report *catchup.Report) {
	p.t.Helper()
	var err error
	calls := l.during(nil, nil, func() { report, err = p.catchup(replicator.CatchupOptions{Verify: scope}) })
	if err != nil && fault.CodeOf(err) != fault.Mismatch || len(report.Tables) != littleTables {
		p.t.Fatalf("catch-up: %v", err)
	}
	p.t.Logf("catch-up: %d calls", calls)
	if calls > 2*mostCalls {
		p.t.Errorf("%d calls for %d tables, want %d at most", calls, littleTables, 2*mostCalls)
	}
	return report
}

// verifyMany compares all tables and wants them equal, after so many calls at most.
func (p *pair) verifyMany(l *listener, asked, answered func(string), most int) {
	p.t.Helper()
	var r *verify.Report
	var err error
	calls := l.during(asked, answered, func() { r, err = p.verify(verify.Options{}) })
	if err != nil || r.Outcome != verify.Equal || len(r.Tables) != littleTables {
		p.t.Fatalf("verify: %v, %+v", err, r)
	}
	if calls > most {
		p.t.Errorf("%d calls for %d tables, want %d at most", calls, littleTables, most)
	}
	p.t.Logf("verify: %d calls", calls)
}
