package largeobject_test

import (
	"fmt"
	"strconv"
	"testing"

	"replicator/replicator/largeobject"
	"replicator/replicator/pg"
)

// zoo is one object of every kind that there is.
const zoo = `
SELECT lo_create(1001);                                                                              -- nothing
SELECT lo_from_bytea(1002, 'a');
SELECT lo_from_bytea(1003, '\x00'), lo_from_bytea(1004, decode(repeat('00', 5000), 'hex'));          -- zeros
SELECT lo_from_bytea(1005, decode(repeat('ab', 2048), 'hex')), lo_from_bytea(1006, decode(repeat('cd', 4096) || '00', 'hex'));
SELECT lo_from_bytea(1007, 'head'), lo_put(1007, 1000000, 'tail');                                   -- a hole
SELECT lo_from_bytea(1008, 'short page'), lo_put(1008, 2048, 'next page');                           -- a short page
SELECT lo_from_bytea(1009, (SELECT string_agg(sha256(i::text::bytea), '') FROM generate_series(1, 100000) i)); -- 3 MB
BEGIN; SELECT lo_create(1010); SELECT lo_truncate64(lo_open(1010, 131072), 4096); COMMIT;            -- ends in a hole, on a page's edge
BEGIN; SELECT lo_create(1011); SELECT lo_truncate64(lo_open(1011, 131072), 5000); COMMIT;            -- and within a page
BEGIN; SELECT lo_from_bytea(1012, 'x'); SELECT lo_truncate64(lo_open(1012, 131072), 4096); COMMIT;
SELECT lo_put(1012, 10000, 'y');                                                                     -- an empty page in the middle
SELECT lo_from_bytea(1013, 'owned'), lo_from_bytea(1014, 'granted'), lo_from_bytea(1015, 'to nobody'), lo_from_bytea(1016, 'named'),
	lo_from_bytea(1017, 'as by default'), lo_from_bytea(4294967295, 'the last');
ALTER LARGE OBJECT 1013 OWNER TO "Dr. ""No""";
ALTER LARGE OBJECT 1014 OWNER TO app;
GRANT SELECT ON LARGE OBJECT 1014 TO PUBLIC; GRANT UPDATE ON LARGE OBJECT 1014 TO ward WITH GRANT OPTION; GRANT SELECT ON LARGE OBJECT 1014 TO "Dr. ""No""";
ALTER LARGE OBJECT 1015 OWNER TO app; REVOKE ALL ON LARGE OBJECT 1015 FROM app;
COMMENT ON LARGE OBJECT 1016 IS 'it''s an \x-ray';
GRANT SELECT ON LARGE OBJECT 1017 TO ward; REVOKE SELECT ON LARGE OBJECT 1017 FROM ward;
`

// TestMoved moves every kind of object between versions, in pieces of every size, as a role that is no
// superuser, and holds both sides against each other.
func TestMoved(t *testing.T) {
	for _, tt := range []struct{ from, to, piece int }{{14, 18, 1}, {15, 14, 10_000}, {18, 15, 1 << 20}, {16, 17, 256 << 10}} {
		t.Run(fmt.Sprintf("%d to %d", tt.from, tt.to), func(t *testing.T) {
			t.Parallel()
			src := connect(t, database(t, tt.from))
			target := database(t, tt.to)
			super := connect(t, target)
			execute(t, src, zoo)
			tgt := asMover(t, super, target)
			move(t, src, tgt, tt.piece)
			mustEqual(t, src, super)
			if d := difference(t, src, tgt); !d.IsZero() {
				t.Error("what a superuser finds equal the role does not")
			}
		})
	}
}

// asMover is a session of a role with the rights of the setup: the owners' on loan.
func asMover(t *testing.T, super *pg.Conn, dsn string) *pg.Conn {
	t.Helper()
	execute(t, super, `GRANT pg_read_all_data TO mover; GRANT app, "Dr. ""No""" TO mover`)
	execute(t, super, "DO $$ BEGIN EXECUTE format('GRANT %I TO mover', current_user); END $$")
	conn := connect(t, dsn)
	execute(t, conn, "SET SESSION AUTHORIZATION mover")
	return conn
}

// TestChanged changes objects of every kind in every way, and wants the range noticed, the objects named,
// and both sides equal again. Not beside others, as TestMarkOfAnotherServer.
func TestChanged(t *testing.T) {
	src, target := connect(t, database(t, 15)), database(t, 15)
	super := connect(t, target)
	tgt := asMover(t, super, target)
	execute(t, src, zoo)
	move(t, src, tgt, 100_000)
	for _, tt := range []struct {
		sql                  string
		write, alter, remove int
		same                 bool // no page was written
	}{
		{"SELECT lo_put(1009, 1500000, 'x')", 1, 0, 0, false},
		{"SELECT lo_put(1009, 1500000, 'x')", 0, 0, 0, false}, // what was there already
		{"BEGIN; SELECT lo_truncate64(lo_open(1009, 131072), 1000000); COMMIT", 1, 0, 0, false},
		{"SELECT lo_put(1001, 0, 'something'), lo_put(1009, 1000000, 'more')", 2, 0, 0, false},
		{"SELECT lo_unlink(1002), lo_unlink(1007)", 0, 0, 2, false},
		{"SELECT lo_from_bytea(1002, 'again'), lo_create(77)", 2, 0, 0, false},
		{"SELECT lo_create(78)", 1, 0, 0, true},
		{"SELECT lo_unlink(78)", 0, 0, 1, true},
		{"SELECT lo_unlink(1014); SELECT lo_from_bytea(1014, 'granted')", 0, 1, 0, false},
		{"ALTER LARGE OBJECT 1005 OWNER TO app; GRANT UPDATE ON LARGE OBJECT 1006 TO PUBLIC; COMMENT ON LARGE OBJECT 1016 IS NULL", 0, 3, 0, true},
		{"ALTER LARGE OBJECT 1005 OWNER TO \"Dr. \"\"No\"\"\"; REVOKE ALL ON LARGE OBJECT 1006 FROM PUBLIC; COMMENT ON LARGE OBJECT 1005 IS 'new'", 0, 2, 0, true},
		{"BEGIN; SELECT lo_put(1005, 0, 'never'); SELECT lo_unlink(1006); ROLLBACK", 0, 0, 0, true},
		{"VACUUM FULL pg_largeobject", 0, 0, 0, true},
		{"VACUUM FREEZE pg_largeobject", 0, 0, 0, true},
	} {
		s, d := read(t, src, largeobject.Ask{Range: largeobject.All}), read(t, tgt, largeobject.Ask{Range: largeobject.All})
		execute(t, src, tt.sql)
		again, still := read(t, src, largeobject.Ask{Range: largeobject.All, Since: &s.Mark}), read(t, tgt, largeobject.Ask{Range: largeobject.All, Since: &d.Mark})
		if again.Same != tt.same || !still.Same {
			t.Errorf("after %q: same %v, and on the other side %v", tt.sql, again.Same, still.Same)
		}
		diff := difference(t, src, tgt)
		if len(diff.Write) != tt.write || len(diff.Alter) != tt.alter || len(diff.Remove) != tt.remove {
			t.Errorf("after %q: %d to write, %d to alter, %d to remove", tt.sql, len(diff.Write), len(diff.Alter), len(diff.Remove))
		}
		if again.Same {
			if short := largeobject.Compare(&again, &still); len(short.Alter) != tt.alter || len(short.Write) != tt.write || len(short.Remove) != tt.remove {
				t.Errorf("after %q, by the mark: %d to write, %d to alter, %d to remove", tt.sql, len(short.Write), len(short.Alter), len(short.Remove))
			}
		}
		move(t, src, tgt, 100_000)
		mustEqual(t, src, super)
	}
}

// TestHolesStayHoles wants no more pages on the target than on the source.
func TestHolesStayHoles(t *testing.T) {
	t.Parallel()
	src, tgt := connect(t, database(t, 15)), connect(t, database(t, 15))
	execute(t, src, "SELECT lo_from_bytea(7, 'head'), lo_put(7, 3000000000, 'tail')")
	move(t, src, tgt, 1000)
	mustPages(t, tgt, "2")
}

// TestWrittenOverItself writes a large object in the place of another, whose pages stay in the index until
// the transaction is over, and wants each of them met a few times, not once for each piece that is written.
func TestWrittenOverItself(t *testing.T) {
	t.Parallel()
	const pages = 40 << 9
	src, tgt := connect(t, database(t, 15)), connect(t, database(t, 15))
	execute(t, src, "SELECT lo_create(7); SELECT count(lo_put(7, g * 1048576, decode(repeat('ab', 1048576), 'hex'))) FROM generate_series(0, 39) g")
	move(t, src, tgt, 256<<10)
	execute(t, src, "SELECT lo_put(7, 20000000, 'changed'), lo_put(7, 41943040, 'longer')")
	before := indexReads(t, tgt)
	move(t, src, tgt, 256<<10)
	if read := indexReads(t, tgt) - before; read > 10*pages {
		t.Errorf("%d index entries were read to replace %d pages", read, pages)
	}
	mustEqual(t, src, tgt)
}

// indexReads is how many entries of the pages' index were read so far.
func indexReads(t *testing.T, conn *pg.Conn) int {
	t.Helper()
	execute(t, conn, "SELECT pg_stat_force_next_flush()")
	v, err := conn.Value(t.Context(), "SELECT idx_tup_read FROM pg_stat_sys_indexes WHERE indexrelname = 'pg_largeobject_loid_pn_index'")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustPages(t *testing.T, conn *pg.Conn, want string) {
	t.Helper()
	if n, err := conn.Value(t.Context(), "SELECT count(*) FROM pg_largeobject"); err != nil || n != want {
		t.Errorf("%s pages, %v; want %s", n, err, want)
	}
}
