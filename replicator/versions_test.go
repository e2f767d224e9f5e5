package replicator_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"replicator/bench/clinical"
	"replicator/bench/clinical/workload"
	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/check"
	"replicator/replicator/source"
	"replicator/replicator/status"
)

// TestVersions moves the clinical database under the wards' load between servers of different
// versions, reaching both only as the roles that the printed SQL makes.
func TestVersions(t *testing.T) {
	for _, v := range []struct {
		from, to int
		fence    source.FenceMode
	}{
		{14, 15, source.FenceDatabase},
		{14, 18, source.FenceDatabase},
		{15, 15, source.FenceOperator},
		{15, 17, source.FenceDatabase},
		{15, 18, source.FenceDatabase},
	} {
		t.Run(fmt.Sprintf("%d to %d, fence %s", v.from, v.to, v.fence), func(t *testing.T) {
			t.Parallel()
			m := newMove(t, v.from, v.to)
			m.exec(m.source, scans)
			m.setUp(v.fence)
			m.noSuperuser()
			m.mustCheck()
			wards := m.startWards()
			e := startEngine(t, orders{Options: m.o})
			e.mustReach(m.o.Dir, status.Following)
			wards.mustCommit(t, 100)
			if v.fence == source.FenceOperator {
				wards.stop(t)
			}
			report, err := m.catchup(replicator.CatchupOptions{Fence: v.fence})
			if err != nil || report.Outcome != catchup.Opened {
				t.Fatalf("catch-up: %v\n%s", err, e.out)
			}
			wards.stop(t)
			<-e.gone
			if e.code != 0 {
				t.Errorf("engine ended with %d:\n%s", e.code, e.out)
			}
			m.compare()
			m.compareSequences()
			m.compareSchema()
			m.sameObjects()
			if len(report.MissedRows) > 0 {
				t.Errorf("changes that found no row: %v", report.MissedRows)
			}
			m.cleanUp()
		})
	}
}

// scans are large objects of the application's.
const scans = `SET ROLE "clinical-app";
SELECT lo_from_bytea(4711, 'scan'), lo_from_bytea(4712, decode(repeat('2a', 3000000), 'hex')), lo_create(4713);
GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC; COMMENT ON LARGE OBJECT 4712 IS 'three pages'`

// move is a pair whose engine logs in with the least rights, and whose source is a hospital.
type move struct {
	*pair
	sourceDB, targetDB string
}

// newMove loads a source of one version and makes an empty target of another. Both servers are the
// test's own: roles are the server's, and rights that another test gave would not be missed.
func newMove(t *testing.T, from, to int) *move {
	t.Helper()
	m := &move{pair: newPair(t, ownServer(t, cluster.Config{Version: from}), ownServer(t, cluster.Config{Version: to}))}
	m.sourceDB, m.targetDB = m.value(m.source, "SELECT current_database()"), m.value(m.target, "SELECT current_database()")
	if err := clinical.Load(t.Context(), m.source, clinical.Options{Seed: 11, Canary: canary}); err != nil {
		t.Fatal(err)
	}
	return m
}

// setUp runs what `replicator sql` prints, and what of it is only for fencing the database.
func (m *move) setUp(fence source.FenceMode) {
	m.t.Helper()
	ctx := m.t.Context()
	sql, err := check.SourceSetup(ctx, check.SetupOptions{DSN: m.source, NoKey: m.o.NoKey, Select: m.o.Select})
	if err != nil {
		m.t.Fatal(err)
	}
	if fence == source.FenceDatabase {
		sql += optional(sql)
	}
	m.psql(m.source, sql)
	m.o.Source = m.sourceC.DSNAs(check.DefaultSourceRole, m.sourceDB)
	sql, err = check.TargetSetup(ctx, check.SetupOptions{DSN: m.target, SourceDSN: m.o.Source, Select: m.o.Select})
	if err != nil {
		m.t.Fatal(err)
	}
	m.psql(m.target, sql)
	m.o.Target = m.targetC.DSNAs(check.DefaultTargetRole, m.targetDB)
}

// optional is the SQL that stands in comments, for --fence database.
func optional(sql string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(sql, "\n") {
		if stmt, is := strings.CutPrefix(line, "--   "); is && !strings.HasPrefix(stmt, "host") {
			b.WriteString(stmt + "\n")
		}
	}
	return b.String()
}

// psql runs a script the way a DBA does: statement by statement.
func (p *pair) psql(dsn, script string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", dsn)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("psql: %v\n%s\nin:\n%s", err, out, script)
	}
}

// noSuperuser makes sure that the test shows what it says: neither role is, or may become, one.
func (m *move) noSuperuser() {
	m.t.Helper()
	for _, dsn := range []string{m.o.Source, m.o.Target} {
		if n := m.value(dsn, "SELECT count(*) FROM pg_roles WHERE rolsuper AND pg_has_role(current_user, oid, 'MEMBER')"); n != "0" {
			m.t.Fatalf("the engine's role is or may become a superuser")
		}
	}
}

// mustCheck wants a report in which nothing must be fixed.
func (m *move) mustCheck() {
	m.t.Helper()
	r, err := check.Run(m.t.Context(), check.Options{Source: m.o.Source, Target: m.o.Target, NoKey: m.o.NoKey, Select: m.o.Select})
	if err != nil {
		m.t.Fatal(err)
	}
	for _, f := range r.Findings {
		if f.Level == check.Must {
			m.t.Errorf("check: %s %s: %s", f.Side, f.ID, f.Text)
		}
	}
}

// cleanUp removes the job with the same rights and looks for what is left.
func (m *move) cleanUp() {
	m.t.Helper()
	if err := replicator.Cleanup(m.t.Context(), replicator.CleanupOptions{Dir: m.o.Dir}); err != nil {
		m.t.Error(err)
	}
	for what, left := range map[string]string{
		"slots":        m.value(m.source, "SELECT count(*) FROM pg_replication_slots"),
		"publications": m.value(m.source, "SELECT count(*) FROM pg_publication"),
		"sessions":     m.value(m.source, "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'replicator/%'"),
		"schemas":      m.value(m.target, "SELECT count(*) FROM pg_namespace WHERE nspname = 'replicator'"),
	} {
		if left != "0" {
			m.t.Errorf("cleanup left %s %s", left, what)
		}
	}
	if _, err := os.Stat(m.o.Dir); !os.IsNotExist(err) {
		m.t.Errorf("cleanup left the state directory: %v", err)
	}
}

// wards are the workload under way.
type wards struct {
	w      *workload.Workload
	cancel context.CancelFunc
	gone   chan error
	over   bool
}

// startWards has the application write as its own role, as fast as two sessions can.
func (m *move) startWards() *wards {
	m.t.Helper()
	w, err := workload.New(workload.Options{DSN: m.sourceC.DSNAs("clinical-app", m.sourceDB), Workers: 2, Seed: seedOf(m.t), Canary: canary, Long: 200 * time.Millisecond})
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &wards{w: w, cancel: cancel, gone: make(chan error, 1)}
	go func() { s.gone <- w.Run(ctx) }()
	m.t.Cleanup(func() { s.stop(m.t) })
	return s
}

// mustCommit waits until n more acts have committed.
func (s *wards) mustCommit(t *testing.T, n int64) {
	t.Helper()
	for want := s.w.Stats().Committed + n; s.w.Stats().Committed < want; {
		select {
		case err := <-s.gone:
			s.over = true
			t.Fatalf("the wards ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *wards) stop(t *testing.T) {
	t.Helper()
	s.cancel()
	if s.over {
		return
	}
	s.over = true
	if err := <-s.gone; err != nil {
		t.Errorf("the wards ended: %v", err)
	}
	stats := s.w.Stats()
	t.Logf("wards: %d committed, %d rolled back, %d refused, %d read-only, %d lost", stats.Committed, stats.RolledBack, stats.Refused, stats.ReadOnly, stats.Lost)
}
