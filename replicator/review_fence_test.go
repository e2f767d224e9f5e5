package replicator_test

import (
	"context"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/source"
)

// asRole is a DSN for a role without a password.
func asRole(dsn, role string) string {
	return strings.Replace(dsn, "//postgres@", "//"+role+"@", 1)
}

// TestFenceThatIsNotAllowed raises the fence as a role that does not own the database. Nothing has
// changed then, and lifting must find that: else the job could never be fenced by other means.
func TestFenceThatIsNotAllowed(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE ROLE reader LOGIN REPLICATION; GRANT pg_read_all_data, pg_monitor TO reader")
	defer p.exec(p.source, "DROP OWNED BY reader; DROP ROLE reader")
	ctx := context.Background()
	c, err := pg.Connect(ctx, pg.Config{DSN: asRole(p.source, "reader"), Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := source.Remember(ctx, c, source.FenceDatabase)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Raise(ctx, c, m, "test"); fault.CodeOf(err) != fault.Preflight {
		t.Errorf("fence raised by a role that may not: %v", err)
	}
	if err := source.LiftFence(ctx, c, m); err != nil {
		t.Errorf("lift what was never raised: %v", err)
	}
}

// TestFenceHoldsTheOwner fences a database whose owner is the application: it must not come back, and
// afterwards everybody has the rights that they had.
func TestFenceHoldsTheOwner(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO ward', current_database()); END $$`)
	ctx := context.Background()
	ward := func() (*pg.Conn, error) {
		return pg.Connect(ctx, pg.Config{DSN: asRole(p.source, "ward"), Name: "emr"})
	}
	before := p.value(p.source, connectRights)
	stays, err := ward()
	if err != nil {
		t.Fatal(err)
	}
	defer stays.Close()
	c := p.connect(p.source)
	defer c.Close()
	m, err := source.Remember(ctx, c, source.FenceDatabase)
	if err != nil {
		t.Fatal(err)
	}
	if detail, err := source.Raise(ctx, c, m, "replicator/"); err != nil || !strings.HasPrefix(detail, "1 ") {
		t.Errorf("fence: %q, %v", detail, err)
	}
	if back, err := ward(); err == nil {
		back.Close()
		t.Error("the owner is back behind the fence")
	}
	if err := source.LiftFence(ctx, c, m); err != nil {
		t.Fatal(err)
	}
	if after := p.value(p.source, connectRights); after != before {
		t.Errorf("rights are %s, were %s", after, before)
	}
}

// TestAuditNamesWhoSlippedIn has a session behind the fence that does nothing yet: it was let in before
// and may write at any moment.
func TestAuditNamesWhoSlippedIn(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	ctx := context.Background()
	slipped, err := pg.Connect(ctx, pg.Config{DSN: asRole(p.source, "ward"), Name: "emr"})
	if err != nil {
		t.Fatal(err)
	}
	defer slipped.Close()
	c := p.connect(p.source)
	defer c.Close()
	if who, err := source.Audit(ctx, c, "replicator/"); err != nil || len(who) != 0 {
		t.Errorf("audit before the fence: %v, %v", who, err)
	}
	p.exec(p.source, `DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$`)
	if who, err := source.Audit(ctx, c, "replicator/"); err != nil || len(who) != 1 {
		t.Errorf("audit: %v, %v", who, err)
	}
}
