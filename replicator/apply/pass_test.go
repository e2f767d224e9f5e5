package apply

import (
	"strings"
	"testing"

	"replicator/replicator/fault"
	"replicator/wal"
)

// oneJudged is a Filter that judges one table by a snapshot; every change of the others is due.
type oneJudged struct {
	*ranges
	table int
}

func (o oneJudged) Seen(table, chunk int, xid uint32) bool {
	return table == o.table && o.ranges.Seen(table, chunk, xid)
}

// TestPassOver applies to a table as it is after it was taken through again: what its rows' snapshot
// has seen was written under other columns and another name, and is passed over without a look; what
// came later is applied. A relation that is gone is passed over altogether. A change that was not seen
// and does not fit still stops.
func TestPassOver(t *testing.T) {
	p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, v varchar(10)); CREATE TABLE c (k int PRIMARY KEY); CREATE TABLE gone (k int PRIMARY KEY)")
	gone := parseOID(query(t, p.src, "SELECT 'gone'::regclass::oid")[0][0])
	p.source("INSERT INTO c VALUES (1)", "INSERT INTO a VALUES (1, 'x')", "INSERT INTO gone VALUES (1)", "TRUNCATE a, gone", "DROP TABLE gone",
		"ALTER TABLE a DROP v", "INSERT INTO a VALUES (1)", "ALTER TABLE a RENAME TO b", "ALTER TABLE b ADD w text",
		"BEGIN; INSERT INTO b VALUES (2, 'seen'); INSERT INTO c VALUES (2); COMMIT")
	p.on(p.dst, "DROP TABLE a, gone; CREATE TABLE b (k int PRIMARY KEY, w text); INSERT INTO b VALUES (1, NULL), (2, 'seen')")
	p.cfg.Tables = plan(t, server.DSN(p.name+"s")) // b, c
	snapshot, err := wal.ParseSnapshot(query(t, p.src, "SELECT pg_current_snapshot()")[0][0])
	if err != nil {
		t.Fatal(err)
	}
	p.cfg.Filter = oneJudged{&ranges{snapshots: map[[2]int]wal.Snapshot{{0, 0}: snapshot}}, 0}
	p.cfg.Skip = []uint32{gone}
	p.source("INSERT INTO b VALUES (3, 'after')", "INSERT INTO c VALUES (3)")
	p.apply()
	p.same()
	p.source("ALTER TABLE b ADD x int", "INSERT INTO b VALUES (4, 'new', 1)")
	if _, err := p.try(p.pull(true)); fault.CodeOf(err) != fault.Preflight || !strings.Contains(err.Error(), "table public.b changed") {
		t.Errorf("a change under other columns: %v", err)
	}
}
