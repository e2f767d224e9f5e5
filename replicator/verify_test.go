package replicator_test

import (
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// verify runs a verification in the engine that follows.
func (p *pair) verify(o verify.Options) (*verify.Report, error) {
	p.t.Helper()
	return replicator.Verify(p.t.Context(), replicator.VerifyOptions{Dir: p.o.Dir, Options: o}, func(verify.Event) {})
}

// verifications is how many aligned verifications TestVerifiedUnderLoad takes on each way to the target;
// every one must be without difference. make soak takes a hundred.
func verifications(t *testing.T) int {
	text := os.Getenv("REPLICATOR_SOAK")
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("REPLICATOR_SOAK is %q", text)
	}
	return n
}

// TestVerifiedUnderLoad compares both sides again and again while the source is hammered: there must
// not be one false alarm. Here and at another site.
func TestVerifiedUnderLoad(t *testing.T) {
	t.Parallel()
	for _, far := range []bool{false, true} {
		t.Run(map[bool]string{false: "near", true: "far"}[far], func(t *testing.T) {
			p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
			p.exec(p.source, hammerSchema+hammerRows(3000))
			if far {
				p.far()
			}
			h := startHammer(t, p.source, seedOf(t), 4, 3000)
			e := startEngine(t, orders{Options: p.o})
			e.mustReach(p.o.Dir, status.Following)
			var pauses []float64
			for i := range verifications(t) {
				r, err := p.verify(verify.Options{})
				if err != nil || r.Outcome != verify.Equal || len(r.Tables) < 10 || len(r.Left) != 2 {
					t.Fatalf("verification %d: %v, report %+v\n%s", i, err, r, e.out)
				}
				pauses = append(pauses, r.Pause)
			}
			slices.Sort(pauses)
			t.Logf("%d verifications, %d commits meanwhile, pauses of %.0f ms (median) to %.0f ms", len(pauses), h.commits.Load(),
				1000*pauses[len(pauses)/2], 1000*pauses[len(pauses)-1])
			p.finishWith(e, h)
		})
	}
}

// TestDamageIsFoundAndRepaired plants differences on the target, one of each kind, under load.
func TestDamageIsFoundAndRepaired(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(2000)+`
		CREATE TABLE h.calm (id int PRIMARY KEY, v text, f float8); INSERT INTO h.calm SELECT i, '`+canary+`' || i, 0 FROM generate_series(1, 500) i;
		CREATE TABLE h.bag (v text); ALTER TABLE h.bag REPLICA IDENTITY FULL; INSERT INTO h.bag SELECT 'x' || i % 50 FROM generate_series(1, 200) i;`)
	h := startHammer(t, p.source, seedOf(t), 2, 2000)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.exec(p.target, `SET session_replication_role = replica;
		UPDATE h.calm SET v = 'other' WHERE id = 7; DELETE FROM h.calm WHERE id = 9; INSERT INTO h.calm VALUES (100001, 'extra', 1);
		UPDATE h.calm SET v = NULL WHERE id = 11; UPDATE h.calm SET f = '-0' WHERE id = 13;
		UPDATE h.calm a SET v = b.v FROM h.calm b WHERE (a.id, b.id) IN ((20, 21), (21, 20));
		INSERT INTO h.bag VALUES ('x3'); DELETE FROM h.bag WHERE ctid = (SELECT ctid FROM h.bag WHERE v = 'x5' LIMIT 1)`)
	r, err := p.verify(verify.Options{})
	if fault.CodeOf(err) != fault.Mismatch || !slices.Equal(sorted(r.Different()), []string{"h.bag", "h.calm"}) {
		t.Fatalf("found %v, error %v", r.Different(), err)
	}
	for _, tab := range r.Tables {
		want := map[string]int{"h.calm": 7, "h.bag": 2}[tab.Name]
		if len(tab.Differences) != want {
			t.Errorf("%s: %d rows differ, want %d: %+v", tab.Name, len(tab.Differences), want, tab.Differences)
		}
		for _, d := range tab.Differences {
			if d.Key != nil {
				t.Errorf("%s: a key is shown that nobody asked for", tab.Name)
			}
		}
	}
	r, err = p.verify(verify.Options{Tables: []string{"h.calm"}, ShowKeys: true})
	if fault.CodeOf(err) != fault.Mismatch || len(r.Tables) != 1 {
		t.Fatalf("one table: %v, %+v", err, r)
	}
	var keys []string
	for _, d := range r.Tables[0].Differences {
		keys = append(keys, d.Key...)
	}
	if want := []string{"11", "13", "20", "21", "7", "9"}; !slices.Equal(sorted(keys), want) {
		t.Errorf("keys %v, want %v: those that the source has", sorted(keys), want)
	}
	r, err = p.verify(verify.Options{Repair: true})
	if err != nil || r.Outcome != verify.Equal {
		t.Fatalf("repair: %v, %+v", err, r)
	}
	p.finishWith(e, h)
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// TestVerifyWithoutEngine compares a sample where no engine runs: the command is one for that long.
func TestVerifyWithoutEngine(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(200))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.terminate()
	r, err := p.verify(verify.Options{Sample: 10})
	if err != nil || r.Outcome != verify.Equal {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestCatchupComesFirst begins a catch-up while a verification is under way.
func TestCatchupComesFirst(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(500))
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	// A lock on the target holds the verification up, and would hold up nothing of the catch-up.
	c := p.connect(p.target)
	defer c.Close()
	if err := c.Exec(t.Context(), "BEGIN; LOCK TABLE h.named IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := p.verify(verify.Options{Tables: []string{"h.named"}})
		ended <- err
	}()
	waiting := "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	for p.value(p.target, waiting) == "0" {
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := p.catchup(replicator.CatchupOptions{Rehearse: true}); err != nil {
		t.Errorf("rehearsal: %v", err)
	}
	if err := <-ended; fault.CodeOf(err) != fault.Interrupted {
		t.Errorf("the verification ended with %v", err)
	}
}
