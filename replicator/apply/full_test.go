package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"replicator/chunker"
	"replicator/wal/pgoutput"
)

// TestIdentityFull has tables without a key: each change touches exactly one of several equal rows.
func TestIdentityFull(t *testing.T) {
	for _, tt := range []struct{ name, schema, rows, sql string }{
		{"duplicates", "v int, t text", "INSERT INTO f SELECT 1, 'x' FROM generate_series(1, 5)",
			"DELETE FROM f WHERE ctid = '(0,1)'; UPDATE f SET v = 2 WHERE ctid = '(0,2)'; INSERT INTO f VALUES (1, 'x'); DELETE FROM f WHERE v = 2"},
		{"NULLs", "v int, t text", "INSERT INTO f VALUES (NULL, NULL), (NULL, 'x'), (1, NULL), (NULL, NULL)",
			"DELETE FROM f WHERE ctid = '(0,4)'; UPDATE f SET v = 3 WHERE t IS NULL AND v IS NULL; DELETE FROM f WHERE v = 1"},
		{"NaN and -0", "v float8, n numeric", "INSERT INTO f VALUES ('NaN', 'NaN'), ('-0', 1.0), (0, 1.00), ('NaN', 1)",
			"DELETE FROM f WHERE n = 1 AND n::text = '1.0'; UPDATE f SET n = 5 WHERE v = 'NaN' AND n = 'NaN'; DELETE FROM f WHERE v::text = '0'"},
		{"no equality", "j json, x xml, p point, b box", `INSERT INTO f VALUES ('{"a": 1}', '<a/>', '(1,2)', '(0,0),(2,2)'), ('{"a":1}', '<a/>', '(1,2)', '(0,0),(1,4)')`,
			`DELETE FROM f WHERE j::text = '{"a":1}'; UPDATE f SET p = '(3,4)'`},
		{"indexed", "v int NOT NULL, t citext NOT NULL, w float8 NOT NULL", "CREATE INDEX ON f (v); CREATE INDEX ON f (t); CREATE INDEX ON f (w); INSERT INTO f SELECT g % 50, 'X' || g, 'NaN' FROM generate_series(1, 300) g",
			"UPDATE f SET v = v + 1 WHERE v % 7 = 0; DELETE FROM f WHERE t = 'x8'; UPDATE f SET w = '-0' WHERE v = 3; DELETE FROM f WHERE w = 0"},
		{"indexed and nullable", "v int, t text, d date", "CREATE INDEX ON f (v, t); CREATE INDEX ON f (d); INSERT INTO f SELECT nullif(g % 20, 3), nullif('x' || g % 5, 'x2'), CASE WHEN g % 9 > 0 THEN '2026-11-24'::date + g % 30 END FROM generate_series(1, 300) g",
			"UPDATE f SET v = 3 WHERE v IS NULL; DELETE FROM f WHERE t IS NULL AND d IS NULL; UPDATE f SET d = NULL, t = NULL WHERE v = 7; DELETE FROM f WHERE ctid = (SELECT ctid FROM f WHERE t IS NULL LIMIT 1); INSERT INTO f VALUES (NULL, NULL, NULL), (NULL, NULL, NULL); DELETE FROM f WHERE ctid = (SELECT ctid FROM f WHERE v IS NULL AND t IS NULL AND d IS NULL LIMIT 1)"},
		{"no columns", "", "INSERT INTO f DEFAULT VALUES; INSERT INTO f DEFAULT VALUES; INSERT INTO f DEFAULT VALUES",
			"DELETE FROM f WHERE ctid = '(0,2)'; INSERT INTO f DEFAULT VALUES; INSERT INTO f DEFAULT VALUES"},
		{"only a generated column", "g int GENERATED ALWAYS AS (7) STORED", "INSERT INTO f DEFAULT VALUES; INSERT INTO f DEFAULT VALUES", "DELETE FROM f WHERE ctid = '(0,2)'; INSERT INTO f DEFAULT VALUES"},
		{"dropped column", "v int, gone int, t text", "ALTER TABLE f DROP gone; INSERT INTO f VALUES (1, 'x')", "UPDATE f SET t = 'y'; INSERT INTO f VALUES (2, 'z'); DELETE FROM f WHERE v = 1"},
		{"column added with a default", "v int", "INSERT INTO f VALUES (1), (1); ALTER TABLE f ADD w int DEFAULT 7", "UPDATE f SET v = 2 WHERE ctid = '(0,1)'; DELETE FROM f WHERE v = 1"},
		{"many", "v int, t text", "INSERT INTO f SELECT g % 10, 'x' FROM generate_series(1, 200) g",
			"INSERT INTO f SELECT g % 10, 'y' FROM generate_series(1, 100) g; UPDATE f SET t = 'z' WHERE v = 3; DELETE FROM f WHERE v = 4; INSERT INTO f SELECT 4, 'z' FROM generate_series(1, 30) g"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, "CREATE EXTENSION citext; CREATE TABLE f ("+tt.schema+"); ALTER TABLE f REPLICA IDENTITY FULL")
			p.both(tt.rows)
			p.cfg.Tables = plan(t, server.DSN(p.name+"s"))
			p.source(strings.Split(tt.sql, "; ")...)
			p.apply()
			p.same()
		})
	}
}

// TestImageByIndex wants a row found by an index where its table has one, NULL or not.
func TestImageByIndex(t *testing.T) {
	p := newPair(t, "CREATE TABLE f (v int, t text, w int NOT NULL); ALTER TABLE f REPLICA IDENTITY FULL; CREATE INDEX f_v ON f (v)")
	p.on(p.dst, "INSERT INTO f SELECT CASE WHEN g % 100 > 0 THEN g END, 'x', g FROM generate_series(1, 20000) g; ANALYZE f; SET plan_cache_mode = force_generic_plan")
	cols, err := readColumns(t.Context(), asker(func(_ context.Context, sql string, args ...string) ([][]string, error) {
		return query(t, p.dst, sql, args...), nil
	}), []*chunker.Table{&p.cfg.Tables[0]})
	if err != nil {
		t.Fatal(err)
	}
	rel := &relation{table: &p.cfg.Tables[0], name: "public.f", cols: cols[0], stmts: map[string]*statement{}}
	value, null := pgoutput.Value{Kind: 't'}, pgoutput.Value{Kind: 'n'}
	for _, tt := range []struct {
		kind     byte
		row, old []pgoutput.Value
		args     string
	}{
		{anyDelete, nil, []pgoutput.Value{value, value, value}, "7, 'x', 7"},
		{anyDelete, nil, []pgoutput.Value{null, value, value}, "NULL, 'x', 200"},
		{anyUpdate, []pgoutput.Value{value, value, value}, []pgoutput.Value{value, null, value}, "7, 'y', 7, 7, NULL, 7"},
	} {
		st := rel.byImage(tt.kind, tt.row, tt.old)
		types := make([]string, len(st.oids))
		for i, o := range st.oids {
			types[i] = query(t, p.dst, fmt.Sprintf("SELECT format_type(%d, NULL)", o))[0][0]
		}
		p.on(p.dst, "PREPARE s ("+strings.Join(types, ", ")+") AS "+st.sql)
		var plan strings.Builder
		for _, r := range query(t, p.dst, "EXPLAIN EXECUTE s("+tt.args+")") {
			plan.WriteString(r[0] + "\n")
		}
		p.on(p.dst, "DEALLOCATE s")
		if strings.Contains(plan.String(), "Seq Scan") || strings.Count(plan.String(), "f_v") < 2 {
			t.Errorf("%c with %s:\n%s", tt.kind, tt.args, &plan)
		}
	}
}

// TestOtherBytes: the target's row has the same value in other bytes.
func TestOtherBytes(t *testing.T) {
	p := newPair(t, "CREATE TABLE f (a int4[], n int); ALTER TABLE f REPLICA IDENTITY FULL")
	// A null bitmap without a NULL: equal and printed equally, but not the same bytes.
	p.source("INSERT INTO f VALUES ('{1,2}', 1)")
	p.apply()
	p.on(p.dst, "UPDATE f SET a = '{1,NULL}'; UPDATE f SET a[2] = 2")
	if same := query(t, p.dst, "SELECT ROW(a)::record *= ROW('{1,2}'::int[])::record FROM f")[0][0]; same != "f" {
		t.Fatalf("the images are equal: %s", same)
	}
	p.source("UPDATE f SET n = 2", "DELETE FROM f")
	p.apply()
	p.same()
}

// TestMixedFormats has one window whose first half is binary and whose second half is text.
func TestMixedFormats(t *testing.T) {
	for _, key := range []string{"int", "text", "uuid"} {
		t.Run(key, func(t *testing.T) {
			t.Parallel()
			k := map[string]string{"int": "g", "text": "g::text", "uuid": "md5(g::text)::uuid"}[key]
			p := newPair(t, fmt.Sprintf("CREATE TABLE a (k %s PRIMARY KEY, n int, l int[]); CREATE TABLE f (n int, t text); ALTER TABLE f REPLICA IDENTITY FULL", key))
			p.both(fmt.Sprintf("INSERT INTO a SELECT %s, g FROM generate_series(1, 50) g", k))
			p.source(fmt.Sprintf("INSERT INTO a SELECT %s, g FROM generate_series(51, 100) g", k), "UPDATE a SET n = n + 1 WHERE n % 3 = 0", "INSERT INTO f SELECT n, 'x' FROM a")
			recs := p.pull(true)
			p.source("UPDATE a SET n = n + 1, l = '{1}' WHERE n % 2 = 0", "DELETE FROM a WHERE n % 5 = 0", "INSERT INTO f SELECT n, 'x' FROM a", "DELETE FROM f WHERE n % 2 = 0",
				fmt.Sprintf("INSERT INTO a SELECT %s, g FROM generate_series(101, 200) g", k))
			p.applied(slices.Concat(recs, p.pull(false)))
			p.same()
		})
	}
}

// asker is a function that asks the target.
type asker func(ctx context.Context, sql string, args ...string) ([][]string, error)

func (f asker) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	return f(ctx, sql, args...)
}
