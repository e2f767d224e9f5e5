package replicator_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/source"
	"replicator/replicator/status"
)

// objectsSchema is a table whose rows name large objects, as PACS and FHIR servers have: many small ones, and
// one of %d MB.
const objectsSchema = `
CREATE TABLE image (id int PRIMARY KEY, content oid);
INSERT INTO image SELECT i, lo_from_bytea(100000 + i, sha256(i::text::bytea)) FROM generate_series(1, 3000) i;
SELECT lo_create(500000);
SELECT count(lo_put(500000, g * 1000000, (SELECT string_agg(sha256((g * 100000 + i)::text::bytea), '') FROM generate_series(1, 31250) i))) FROM generate_series(0, %[1]d - 1) g;
ALTER LARGE OBJECT 100001 OWNER TO ward; GRANT SELECT ON LARGE OBJECT 100002 TO PUBLIC, ward; COMMENT ON LARGE OBJECT 100003 IS 'a comment';
`

// everyObject is what PostgreSQL itself says of all large objects.
const everyObject = `SELECT count(*) || ' ' || md5(string_agg(concat_ws('|', oid, md5(lo_get(oid)), pg_get_userbyid(lomowner),
	(SELECT string_agg(concat(grantee, privilege_type, is_grantable AND grantee <> lomowner), ',' ORDER BY grantee, privilege_type) FROM aclexplode(coalesce(lomacl, acldefault('L', lomowner)))),
	obj_description(oid, 'pg_largeobject')), ',' ORDER BY oid)) FROM pg_largeobject_metadata`

// sameObjects holds the large objects of both sides against each other.
func (p *pair) sameObjects() {
	p.t.Helper()
	// Roles have OIDs of their own on each server: both are told by the same role of the same name.
	sql := strings.ReplaceAll(everyObject, "concat(grantee,", "concat(CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END,")
	sql = strings.ReplaceAll(sql, "ORDER BY grantee,", "ORDER BY (CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END) COLLATE \"C\",")
	if s, t := p.value(p.source, sql), p.value(p.target, sql); s != t {
		p.t.Errorf("large objects differ: source %s, target %s", s, t)
	}
}

// scribbler changes large objects at random, in every way, until it is stopped.
type scribbler struct {
	stop func()
	n    int
}

func (p *pair) scribble(seed uint64, mb int) *scribbler {
	p.t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	conn := p.connect(p.source)
	end, ended := make(chan struct{}), make(chan struct{})
	s := &scribbler{}
	s.stop = sync.OnceFunc(func() { close(end); <-ended; conn.Close() })
	p.t.Cleanup(s.stop)
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			case <-time.After(2 * time.Millisecond):
			}
			if err := conn.Exec(p.t.Context(), scribbled(r, mb)); err != nil {
				p.t.Errorf("scribble: %v", err)
				return
			}
			s.n++
		}
	}()
	return s
}

// scribbled is one transaction.
func scribbled(r *rand.Rand, mb int) string {
	oid := 100001 + r.IntN(3000)
	at := "FROM pg_largeobject_metadata WHERE oid = " + fmt.Sprint(oid)
	switch r.IntN(40) % 9 {
	case 0:
		return "SELECT lo_unlink(oid) " + at
	case 1:
		return fmt.Sprintf("SELECT lo_from_bytea(0, decode(repeat('%02x', %d), 'hex'))", r.IntN(256), r.IntN(8000))
	case 2:
		return fmt.Sprintf("SELECT lo_truncate64(lo_open(oid, 131072), %d) %s", r.IntN(5000), at)
	case 8: // the least likely
		return fmt.Sprintf("SELECT lo_put(500000, %d, '%d')", r.IntN(mb*1_000_000-100), r.Int())
	case 4:
		return fmt.Sprintf("DO $$ BEGIN ALTER LARGE OBJECT %[1]d OWNER TO ward; COMMENT ON LARGE OBJECT %[1]d IS '%[2]d'; GRANT UPDATE ON LARGE OBJECT %[1]d TO PUBLIC; EXCEPTION WHEN undefined_object THEN NULL; END $$", oid, r.Int())
	default:
		return fmt.Sprintf("SELECT lo_put(oid, %d, '%d') %s", r.IntN(9000), r.Int(), at)
	}
}

// objectsPair is a pair with large objects whose rounds follow each other quickly.
func objectsPair(t *testing.T, mb int) *pair {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, fmt.Sprintf(objectsSchema, mb))
	p.o.ObjectsEvery = 50 * time.Millisecond
	return p
}

// copied waits until a round that began after now has found all equal.
func (e *engine) objectsCopied(dir string, rounds int) bool {
	return e.awaitStatus(dir, func(s status.Status) bool { return s.LargeObjects != nil && s.LargeObjects.Rounds >= rounds })
}

// TestLargeObjects copies them, follows their changes under load, and wants them equal at the fence, with
// whatever somebody did to the target's.
func TestLargeObjects(t *testing.T) {
	t.Parallel()
	for _, far := range []bool{false, true} {
		t.Run(map[bool]string{false: "here", true: "at another site"}[far], func(t *testing.T) {
			p := objectsPair(t, 40)
			s := p.scribble(seedOf(t), 40)
			var there *site
			if far {
				there = p.far()
				there.service.kill()
				there.start(orders{KillAt: "target: large objects half written", KillNth: 20})
			}
			e := startEngine(t, orders{Options: p.o})
			if far { // the service dies with half an object in hand, and another takes its place
				<-there.service.gone
				there.start(orders{})
			}
			e.mustReach(p.o.Dir, status.Following)
			if !e.objectsCopied(p.o.Dir, 2) {
				t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
			}
			s.stop()
			// Found equal, and proved: the rounds after that look at nothing but pages.
			e.awaitStatus(p.o.Dir, func(s status.Status) bool {
				return s.LargeObjects.Different == 0 && s.LargeObjects.Looked == s.LargeObjects.Ranges
			})
			p.exec(p.target, `SELECT lo_put(max(oid), 1, 'damage'), lo_unlink(min(oid)) FROM pg_largeobject_metadata WHERE oid < 500000;
				SELECT lo_from_bytea(999999, 'not ours'); COMMENT ON LARGE OBJECT 500000 IS 'damage'`)
			e.mustStayBelow(mostResident, "large objects")
			report := p.mustCatchup()
			<-e.gone
			p.sameObjects()
			p.compare()
			o := report.LargeObjects
			if o == nil || !o.Equal || o.Objects < 2500 || o.Bytes < 40_000_000 {
				t.Errorf("the report says %+v", o)
			}
			t.Logf("%d changes; %v", s.n, o)
		})
	}
}

// TestLargeObjectsKilled kills the engine at every instant of a round, and wants them equal after all.
func TestLargeObjectsKilled(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	p := objectsPair(t, 3)
	s := p.scribble(seed, 3)
	for i, hook := range []string{"target: large objects half written", "target: large objects before commit", "target: large objects after commit", "engine: large objects written"} {
		for _, nth := range []int{1, 3 + i} {
			e := startEngine(t, orders{Options: p.o, KillAt: hook, KillNth: nth})
			<-e.gone
			if e.code != -1 {
				t.Fatalf("engine was not killed at %q but ended with %d:\n%s", hook, e.code, e.out)
			}
		}
	}
	s.stop()
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	<-e.gone
	p.sameObjects()
}

// TestLargeObjectsWithoutARole refuses a catch-up while the owner of an object is missing on the target, and
// goes on once he is there.
func TestLargeObjectsWithoutARole(t *testing.T) {
	p := objectsPair(t, 1)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	if !e.objectsCopied(p.o.Dir, 1) {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	p.exec(p.source, "CREATE ROLE stranger_here; ALTER LARGE OBJECT 100007 OWNER TO stranger_here")
	t.Cleanup(func() { p.exec(p.source, "ALTER LARGE OBJECT 100007 OWNER TO CURRENT_USER; DROP ROLE stranger_here") })
	if !e.awaitStatus(p.o.Dir, func(s status.Status) bool { return strings.Contains(s.LastError, "large objects") }) {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	if _, err := p.catchup(replicator.CatchupOptions{}); fault.CodeOf(err) != fault.Preflight {
		t.Errorf("catch-up without the role: %v", err)
	}
	p.exec(p.target, "CREATE ROLE stranger_here")
	t.Cleanup(func() { p.exec(p.target, "ALTER LARGE OBJECT 100007 OWNER TO CURRENT_USER; DROP ROLE stranger_here") })
	e.awaitStatus(p.o.Dir, func(s status.Status) bool { return s.LargeObjects.Rounds > 1 && s.LargeObjects.Different == 0 })
	p.mustCatchup()
	<-e.gone
	p.sameObjects()
}

// TestLargeObjectsWrittenAfterTheFence has somebody write a large object behind the step that made all
// equal: no transaction in the stream shows that, and the target does not open.
func TestLargeObjectsWrittenAfterTheFence(t *testing.T) {
	p := objectsPair(t, 1)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	writer := p.connect(p.source) // as a superuser may, past every fence
	defer writer.Close()
	written := false
	_, err := replicator.Catchup(t.Context(), replicator.CatchupOptions{Dir: p.o.Dir, Fence: source.FenceOperator}, func(ev catchup.Event) {
		if ev.Step == "sequences" && ev.State == catchup.StepBegins && !written {
			written = true
			if err := writer.Exec(t.Context(), "SELECT lo_put(100005, 0, 'too late')"); err != nil {
				t.Error(err)
			}
		}
	})
	if !written || fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "large objects have changed") {
		t.Errorf("catch-up: %v", err)
	}
	writer.Close()
	p.mustCatchup()
	<-e.gone
	p.sameObjects()
}

// TestLargeObjectsAtTheFence wants the last changes at the fence alone: no round follows the first.
func TestLargeObjectsAtTheFence(t *testing.T) {
	p := objectsPair(t, 3)
	p.o.ObjectsEvery = time.Hour
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	if !e.objectsCopied(p.o.Dir, 1) {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	p.sameObjects()
	p.exec(p.source, "SELECT lo_put(500000, 2000000, 'x'), lo_unlink(100001), lo_from_bytea(7, 'new'); COMMENT ON LARGE OBJECT 100004 IS 'late'")
	report, err := p.catchup(replicator.CatchupOptions{Rehearse: true})
	if err != nil || report.LargeObjects == nil || report.LargeObjects.Written != 2 || report.LargeObjects.Altered != 1 || report.LargeObjects.Removed != 1 || report.LargeObjects.Equal {
		t.Errorf("rehearsal: %v, %+v", err, report.LargeObjects)
	}
	if p.value(p.target, "SELECT count(*) FROM pg_largeobject_metadata WHERE oid IN (7, 100001)") != "1" {
		t.Error("a rehearsal has written large objects")
	}
	p.exec(p.target, "SELECT lo_put(100020, 0, 'damage')")
	report, err = p.catchup(replicator.CatchupOptions{Verify: catchup.VerifyFull})
	if err != nil || report.LargeObjects.Written != 3 || report.LargeObjects.Removed != 1 || report.LargeObjects.Unchanged != 0 || !report.LargeObjects.Equal {
		t.Errorf("catch-up: %v, %+v", err, report.LargeObjects)
	}
	<-e.gone
	p.sameObjects()
}

// TestLargeObjectsOfTheTarget refuses a target with large objects of its own, and leaves them alone where
// the job does not move any.
func TestLargeObjectsOfTheTarget(t *testing.T) {
	p := objectsPair(t, 1)
	p.exec(p.target, "SELECT lo_from_bytea(1, 'theirs')")
	e := startEngine(t, orders{Options: p.o})
	<-e.gone
	if e.code != 3 {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	if n := p.value(p.target, "SELECT count(*) FROM pg_largeobject_metadata"); n != "1" {
		t.Errorf("%s large objects on the target", n)
	}
	p.o.LargeObjects = "no"
	e = startEngine(t, orders{Options: p.o})
	<-e.gone
	if e.code != 2 {
		t.Errorf("a job that moves them went on without, and ended with %d", e.code)
	}
	q := newPair(t, p.sourceC, p.targetC)
	q.exec(q.source, "CREATE TABLE a (id int PRIMARY KEY); SELECT lo_create(5)")
	q.exec(q.target, "SELECT lo_create(6)")
	q.o.LargeObjects = "no"
	e = startEngine(t, orders{Options: q.o})
	e.mustReach(q.o.Dir, status.Following)
	if !e.awaitStatus(q.o.Dir, func(s status.Status) bool {
		return strings.Contains(strings.Join(s.Notes, "\n"), "1 large objects are not moved")
	}) {
		t.Error("status does not name what is left out")
	}
	if report := q.mustCatchup(); report.LargeObjects != nil {
		t.Errorf("the report says %+v", report.LargeObjects)
	}
	<-e.gone
	if n := q.value(q.target, "SELECT string_agg(oid::text, ' ') FROM pg_largeobject_metadata"); n != "6" {
		t.Errorf("large objects on the target: %s", n)
	}
}
