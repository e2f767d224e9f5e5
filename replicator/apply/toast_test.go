package apply

import (
	"fmt"
	"testing"
)

// big is SQL for a value that is kept out of line; n tells them apart.
func big(n int) string {
	return fmt.Sprintf("(SELECT string_agg(md5(%d || g::text), '') FROM generate_series(1, 300) g)", n)
}

func TestUnchangedToast(t *testing.T) {
	const columns = " (k int, n int, a text, b text, l text[], c bytea, PRIMARY KEY (k))"
	rows := fmt.Sprintf("INSERT INTO t SELECT g, 0, %s, %s, ARRAY[%s], convert_to(%s, 'UTF8') FROM generate_series(1, 3) g", big(1), big(2), big(3), big(4))
	for _, tt := range []struct {
		name    string
		sql     []string
		replays bool // in order, when the old row does not travel
	}{
		{name: "other column", sql: []string{"UPDATE t SET n = 1"}},
		{name: "one of two", sql: []string{"UPDATE t SET a = " + big(5)}},
		{name: "array only", sql: []string{"UPDATE t SET l = ARRAY['x', NULL]"}},
		{name: "to NULL", sql: []string{"UPDATE t SET a = NULL"}},
		{name: "to short", sql: []string{"UPDATE t SET a = ''"}},
		{name: "from NULL", sql: []string{"UPDATE t SET a = NULL", "UPDATE t SET a = " + big(6)}},
		{name: "changed, then not", sql: []string{"UPDATE t SET a = " + big(7), "UPDATE t SET n = 2", "UPDATE t SET b = " + big(8), "UPDATE t SET n = 3"}},
		{name: "different columns in different rows", sql: []string{"UPDATE t SET a = " + big(7) + " WHERE k = 1", "UPDATE t SET b = " + big(7) + " WHERE k = 2", "UPDATE t SET n = 4"}},
		{name: "inserted in the window", sql: []string{"INSERT INTO t SELECT 9, n, a, b, l, c FROM t WHERE k = 1", "UPDATE t SET n = 5 WHERE k = 9", "UPDATE t SET a = NULL WHERE k = 9", "UPDATE t SET n = 6 WHERE k = 9"}},
		{name: "replaced in the window", sql: []string{"BEGIN; CREATE TEMP TABLE o AS SELECT * FROM t; DELETE FROM t; INSERT INTO t SELECT * FROM o; DROP TABLE o; COMMIT", "UPDATE t SET n = 7"}},
		{name: "key moves", sql: []string{"UPDATE t SET k = k + 10"}, replays: true},
		{name: "key moves after an update of one", sql: []string{"UPDATE t SET a = " + big(9), "UPDATE t SET k = k + 10", "UPDATE t SET n = 1"}, replays: true},
		{name: "key moves after insert", sql: []string{"INSERT INTO t SELECT 9, n, a, b, l, c FROM t WHERE k = 1", "UPDATE t SET k = 10 WHERE k = 9", "UPDATE t SET n = 8 WHERE k = 10"}},
		{name: "key moves and everything is new", sql: []string{fmt.Sprintf("UPDATE t SET k = k + 10, a = %s, b = NULL, l = NULL, c = NULL", big(3))}},
		{name: "key swap", sql: []string{"BEGIN; UPDATE t SET k = 0 WHERE k = 1; UPDATE t SET k = 1 WHERE k = 2; UPDATE t SET k = 2 WHERE k = 0; COMMIT"}, replays: true},
		{name: "moved, then deleted", sql: []string{"UPDATE t SET k = k + 10", "DELETE FROM t WHERE k = 11"}, replays: true},
	} {
		for _, identity := range []string{"DEFAULT", "FULL", "FULL, no key"} {
			t.Run(tt.name+" "+identity, func(t *testing.T) {
				t.Parallel()
				schema := "CREATE TABLE t" + columns + "; ALTER TABLE t ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL"
				if identity == "FULL, no key" {
					schema += "; ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t REPLICA IDENTITY FULL"
				} else {
					schema += "; ALTER TABLE t REPLICA IDENTITY " + identity
				}
				p := newPair(t, schema)
				p.both(rows)
				p.source(tt.sql...)
				recs := p.pull(true)
				want := tt.replays && identity == "DEFAULT"
				if got := !foldable(t, p, recs); got != want {
					t.Errorf("must replay: %v, want %v", got, want)
				}
				p.applied(recs)
				p.same()
			})
		}
	}
}

// foldable collects records into one window and reports whether the fold takes them.
func foldable(t *testing.T, p *pair, recs []record) bool {
	t.Helper()
	a := p.collect(recs)
	defer a.session.close()
	return a.fold.fold(a.win.changes)
}

// TestToastedKey has a key that is kept out of line: the new row leaves it out and the old key
// travels although it has not changed.
func TestToastedKey(t *testing.T) {
	p := newPair(t, "CREATE TABLE t (k text PRIMARY KEY, n int); ALTER TABLE t ALTER k SET STORAGE EXTERNAL")
	p.both("INSERT INTO t SELECT repeat(md5(g::text), 79), g FROM generate_series(1, 3) g")
	p.source("UPDATE t SET n = 7 WHERE n = 1", "UPDATE t SET n = 8 WHERE n = 7", "UPDATE t SET k = k || 'x' WHERE n = 2", "DELETE FROM t WHERE n = 3")
	p.apply()
	p.same()
}
