package replicator_test

import (
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/status"
)

// TestTargetRoleWithoutReplicaMode moves with a target role that may not set session_replication_role:
// foreign keys, cascades and triggers must not fire while changes are applied, so they wait for
// catch-up, and go again when a catch-up is given up.
func TestTargetRoleWithoutReplicaMode(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(200)+`; INSERT INTO h.queue (pad) VALUES ('x'); INSERT INTO h.queue_item (queue, pad) SELECT id, 'y' FROM h.queue`)
	p.exec(p.target, `DO $$ BEGIN CREATE ROLE plain_target LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
		DO $$ BEGIN EXECUTE format('GRANT CREATE, CONNECT, TEMPORARY ON DATABASE %I TO plain_target', current_database()); END $$;
		GRANT pg_read_all_data, pg_write_all_data TO plain_target; GRANT ward TO plain_target`)
	p.exec(p.source, "DO $$ DECLARE r record; BEGIN FOR r IN SELECT format('%I.%I', schemaname, tablename) n FROM pg_tables WHERE schemaname = 'h' LOOP EXECUTE 'ALTER TABLE ' || r.n || ' OWNER TO ward'; END LOOP; END $$; ALTER SCHEMA h OWNER TO ward; ALTER SEQUENCE h.ticket OWNER TO ward; ALTER VIEW h.rich OWNER TO ward; ALTER MATERIALIZED VIEW h.totals OWNER TO ward; ALTER FUNCTION h.audit_fn() OWNER TO ward")
	admin := p.target
	p.o.Target = strings.Replace(p.target, "//postgres@", "//plain_target@", 1)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	fks := "SELECT count(*) || ' ' || count(*) FILTER (WHERE convalidated) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'h'::regnamespace"
	if n := p.value(admin, fks); n != "0 0" {
		t.Errorf("foreign keys before the fence: %s", n)
	}
	churn := "DELETE FROM h.queue; INSERT INTO h.queue (pad) VALUES ('x'); INSERT INTO h.queue_item (queue, pad) SELECT id, 'y' FROM h.queue; UPDATE h.account SET balance = balance + 1"
	p.exec(p.source, churn)
	p.exec(admin, "UPDATE h.bed SET pad = 'damaged' WHERE id = 7")
	if _, err := p.catchup(replicator.CatchupOptions{}); err == nil {
		t.Fatal("catch-up opened over a difference")
	}
	if n := p.value(admin, fks); n != "0 0" {
		t.Errorf("foreign keys after the catch-up was given up: %s", n)
	}
	p.exec(p.source, churn+"; UPDATE h.bed SET pad = 'mended' WHERE id = 7")
	report := p.mustCatchup()
	<-e.gone
	if len(report.MissedRows) > 0 {
		t.Errorf("changes that found no row: %v", report.MissedRows)
	}
	if have, want := p.value(admin, fks), p.value(p.source, fks); have != want {
		t.Errorf("foreign keys on the target: %s, want %s", have, want)
	}
	p.compare()
}
