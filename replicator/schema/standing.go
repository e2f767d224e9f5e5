package schema

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// MayStand lets every step find that what it makes stands already, as in a restored backup: what stands
// must be what the source has, see [Standing]. Constraints that are not valid are taken away, as rows that
// the source holds may break them; Finish brings them back.
func (w *Work) MayStand() {
	w.each(func(s *Step) { s.MayStand = true })
	for _, s := range w.Finish {
		away := Step{ID: "DROP " + s.ID, Kind: s.Kind, Name: s.Name, Table: s.Table, Owner: s.Owner, SQL: s.Undo}
		known := func(p Step) bool { return p.SQL == away.SQL } // of a check that calls a function
		if s.Kind != "FK CONSTRAINT" && strings.Contains(s.Undo, " DROP CONSTRAINT IF EXISTS ") && !slices.ContainsFunc(w.Pre, known) {
			w.Pre = append(w.Pre, away)
		}
	}
}

// Apart gives the steps IDs of their own, but for schemas: what they make may have the name of something
// that was planned, and is gone or called otherwise.
func (w *Work) Apart() {
	w.each(func(s *Step) {
		if s.Kind != "SCHEMA" {
			s.ID = "late " + s.ID
		}
	})
}

func (w *Work) each(do func(*Step)) {
	lists := [][]Step{w.Pre, w.Constraints, w.Foreign, w.Validate, w.Finish}
	for _, byTable := range []map[int][]Step{w.Table, w.Unique, w.Late} {
		for _, steps := range byTable {
			lists = append(lists, steps)
		}
	}
	for _, steps := range lists {
		for i := range steps {
			do(&steps[i])
		}
	}
}

// Stands reports whether a step failed with a SQLSTATE that says that what it makes is there.
func (s *Step) Stands(state string) bool {
	return s.MayStand && (slices.Contains(stands, state) || slices.Contains(standsOf[s.Kind], state))
}

// stands: duplicate table or index, object, schema, function, and a second primary key.
var stands = []string{"42P07", duplicateObject, duplicateSchema, "42723", invalidTable}

// standsOf are those of kinds that have words of their own for it: an index that belongs to a
// constraint, a column that is an identity, a table that is a partition.
var standsOf = map[string][]string{
	"CONSTRAINT": {"55000"}, "SEQUENCE": {"55000"}, "TABLE ATTACH": {"42809"}, "INDEX ATTACH": {"55000"},
}

// Definition says what an object is. Text is a digest: definitions hold constants of the schema's
// author, and there may be many.
type Definition struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	On   string `json:"on,omitempty"` // the table of a column
	Text string `json:"text"`
	// Rules says that it decides which rows a table takes or what becomes of them: the other side must
	// not have one more.
	Rules bool `json:"rules,omitempty"`
}

// Standing reads what tables of the plan are made of, on either side, and the routines, views, types and
// sequences of the database's own.
func Standing(ctx context.Context, conn *pg.Conn, tables []chunker.Table) ([]Definition, error) {
	names := make([]string, len(tables))
	for i := range tables {
		names[i] = tables[i].Qualified()
	}
	if err := conn.Exec(ctx, "BEGIN READ ONLY; SET LOCAL search_path = pg_catalog"); err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, standing, pg.Array(names))
	if rerr := conn.Exec(context.WithoutCancel(ctx), "ROLLBACK"); err == nil {
		err = rerr
	}
	if err != nil {
		return nil, fmt.Errorf("read definitions: %w", err)
	}
	out := make([]Definition, len(rows))
	for i, r := range rows {
		out[i] = Definition{Kind: r[0], Name: r[1], On: r[2], Text: r[3], Rules: r[4] == "t"}
	}
	return out, nil
}

// Firing are the triggers and rules that fire also while rows are copied and applied: they must not
// stand on the target before the fence.
func Firing(target []Definition) []string {
	var out []string
	for _, d := range target {
		if strings.HasPrefix(d.Kind, "firing ") {
			out = append(out, strings.TrimPrefix(d.Kind, "firing ")+" "+d.Name)
		}
	}
	return out
}

// Unlike is what stands on the target and is not what the source has, by kind and name. Servers of
// different major versions spell the same view in different ways: then views and rules are not held
// against each other.
func Unlike(source, target []Definition, sameVersion bool) []string {
	type key struct{ kind, name string }
	want := make(map[key]string, len(source))
	for _, d := range source {
		want[key{d.Kind, d.Name}] = d.Text
	}
	var out []string
	have := make(map[key]bool, len(target))
	for _, d := range target {
		have[key{d.Kind, d.Name}] = true
		switch text, both := want[key{d.Kind, d.Name}]; {
		case both && text != d.Text && !slices.Contains(noRows, d.Kind) && (sameVersion || d.Kind != "view" && d.Kind != "rule"):
			out = append(out, d.Kind+" "+d.Name+" differs")
		case !both && d.Rules:
			out = append(out, d.Kind+" "+d.Name+" is on the target only")
		}
	}
	for _, d := range source {
		if d.Kind == "column" && have[key{"table", d.On}] && !have[key{d.Kind, d.Name}] {
			out = append(out, d.Kind+" "+d.Name+" is missing on the target")
		}
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}

// standing: identity columns take values while a job runs, so their kind does not count; checks are
// away then where they call functions, and rows that they would refuse are the source's to refuse.
const standing = `
WITH t AS (SELECT to_regclass(n) AS oid FROM unnest($1::text[]) n),
mine AS (SELECT n.oid FROM pg_namespace n WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'replicator', 'replicator_setup') AND n.nspname !~ '^pg_(temp|toast_temp)_'),
d (kind, name, "on", text, rules) AS (
	SELECT 'table', c.oid::regclass::text, NULL, concat(c.relreplident, c.relpersistence), false FROM t JOIN pg_class c USING (oid)
	UNION ALL
	SELECT 'settings of table', c.oid::regclass::text, NULL, concat_ws(' ', c.reloptions, (SELECT x.reloptions FROM pg_class x WHERE x.oid = c.reltoastrelid),
		(SELECT m.amname FROM pg_am m WHERE m.oid = c.relam), (SELECT string_agg(concat_ws(' ', quote_ident(a.attname), a.attstorage, a.attcompression, coalesce(a.attstattarget, -1),
			array(SELECT o FROM unnest(a.attoptions) o WHERE o !~ '^pg_attver=')), ',' ORDER BY a.attnum)
			FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)), false
	FROM t JOIN pg_class c USING (oid)
	UNION ALL
	SELECT 'place in a tree of', c.oid::regclass::text, NULL, concat_ws(' ', pg_get_expr(c.relpartbound, c.oid),
		(SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid)), true
	FROM t JOIN pg_class c USING (oid) WHERE EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
	UNION ALL
	SELECT 'column', concat(a.attrelid::regclass, '.', quote_ident(a.attname)), a.attrelid::regclass::text,
		concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity <> '', a.attgenerated,
			(SELECT quote_ident(n.nspname) || '.' || quote_ident(l.collname) FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = a.attcollation),
			(SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef f WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum)), true
	FROM t JOIN pg_attribute a ON a.attrelid = t.oid WHERE a.attnum > 0 AND NOT a.attisdropped
	UNION ALL
	SELECT 'comment', concat(n.nspname, '.COLUMN "', replace(c.relname, '"', '""'), '"."', replace(a.attname, '"', '""'), '"'), NULL, col_description(c.oid, a.attnum), false
	FROM t JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NOT NULL
	UNION ALL
	SELECT 'acl', concat(n.nspname, '.COLUMN "', replace(c.relname, '"', '""'), '"."', replace(a.attname, '"', '""'), '"'), NULL, (SELECT string_agg(x::text, ',' ORDER BY x::text) FROM unnest(a.attacl) x), false
	FROM t JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attacl <> '{}'
	UNION ALL
	SELECT 'index', i.indexrelid::regclass::text, NULL, concat(pg_get_indexdef(i.indexrelid), CASE WHEN c.relkind = 'i' THEN i.indisvalid END), i.indisunique OR i.indisexclusion
	FROM t JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
	UNION ALL
	SELECT 'place of index', i.indexrelid::regclass::text, NULL, (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = i.indexrelid), false
	FROM t JOIN pg_index i ON i.indrelid = t.oid
	UNION ALL
	SELECT 'constraint', concat(c.conrelid::regclass, '.', quote_ident(c.conname)), NULL, replace(pg_get_constraintdef(c.oid), ' NOT VALID', ''), true
	FROM t JOIN pg_constraint c ON c.conrelid = t.oid WHERE c.contype IN ('p', 'u', 'x', 'f', 'c')
	UNION ALL
	SELECT CASE WHEN g.tgenabled IN ('A', 'R') THEN 'firing trigger' ELSE 'trigger' END, concat(g.tgrelid::regclass, '.', quote_ident(g.tgname)), NULL, concat(pg_get_triggerdef(g.oid), g.tgenabled), true
	FROM t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE ` + usersTrigger + `
	UNION ALL
	SELECT CASE WHEN r.ev_enabled IN ('A', 'R') THEN 'firing rule' ELSE 'rule' END, concat(r.ev_class::regclass, '.', quote_ident(r.rulename)), NULL, concat(pg_get_ruledef(r.oid), r.ev_enabled), true
	FROM t JOIN pg_rewrite r ON r.ev_class = t.oid
	UNION ALL
	SELECT 'routine', p.oid::regprocedure::text, NULL, concat_ws(' ', p.prosrc, p.probin, l.lanname, p.prokind, p.prosecdef, p.proisstrict, p.provolatile, p.proretset,
		p.prorettype::regtype, pg_get_function_arguments(p.oid), p.proconfig), false
	FROM mine JOIN pg_proc p ON p.pronamespace = mine.oid JOIN pg_language l ON l.oid = p.prolang
	UNION ALL
	SELECT 'view', c.oid::regclass::text, NULL, pg_get_viewdef(c.oid), false
	FROM mine JOIN pg_class c ON c.relnamespace = mine.oid WHERE c.relkind IN ('v', 'm')
	UNION ALL
	SELECT 'sequence', c.oid::regclass::text, NULL, concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle), false
	FROM mine JOIN pg_class c ON c.relnamespace = mine.oid JOIN pg_sequence s ON s.seqrelid = c.oid
	UNION ALL
	SELECT 'identity', c.oid::regclass::text, NULL, concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmax, s.seqmin, s.seqcache, s.seqcycle, a.attrelid::regclass, a.attname), false
	FROM mine JOIN pg_class c ON c.relnamespace = mine.oid JOIN pg_sequence s ON s.seqrelid = c.oid
		JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i' JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
	UNION ALL
	SELECT 'enum', y.oid::regtype::text, NULL, (SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = y.oid), false
	FROM mine JOIN pg_type y ON y.typnamespace = mine.oid WHERE y.typtype = 'e'
	UNION ALL
	SELECT 'composite type', c.oid::regclass::text, NULL, (SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)
		FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), false
	FROM mine JOIN pg_class c ON c.relnamespace = mine.oid WHERE c.relkind = 'c')
SELECT kind, name, coalesce("on", ''), md5(coalesce(text, '')), rules FROM d ORDER BY 1, 2`

// tableSettings is no matter of rows: a restored backup may have others.
const tableSettings = "settings of table"

// indexPlace is what an index is a part of: those of a restored backup are given theirs later.
const indexPlace = "place of index"

// noRows are the kinds that a restored backup may have otherwise. Comments and rights are those of columns,
// by pg_dump's names.
var noRows = []string{tableSettings, indexPlace, "comment", "acl"}

// SaidAlike reports whether an item of a [Baseline] is a comment on a column of a table, or rights on it, and
// the same on both sides: a column that is dropped or called otherwise takes them along.
func SaidAlike(item string, table *chunker.Table, source, target []Definition) bool {
	kind, name, _ := strings.Cut(item, " ")
	column, ok := strings.CutPrefix(name, table.Schema+".COLUMN ")
	if !ok || kind != "comment" && kind != "acl" {
		return false
	}
	of, end := identAt(column, 0)
	if of != table.Name || !strings.HasPrefix(column[end:], ".") {
		return false
	}
	column, _ = identAt(column, end+1)
	name = table.Schema + ".COLUMN " + pg.Ident(of, column)
	is := func(d Definition) bool { return d.Kind == kind && d.Name == name }
	here, there := slices.IndexFunc(source, is), slices.IndexFunc(target, is)
	return here < 0 && there < 0 || here >= 0 && there >= 0 && source[here].Text == target[there].Text
}

// unequalKinds are what tables are made of before the fence.
var unequalKinds = []string{"table", tableSettings, "place in a tree of", "column", "index", indexPlace, "constraint"}

// Unequal names, by kind and name, what of tables is not the same on both sides.
func Unequal(source, target []Definition) []string {
	type key struct{ kind, name string }
	texts := map[key][2]string{}
	for side, list := range [][]Definition{source, target} {
		for _, d := range list {
			if slices.Contains(unequalKinds, d.Kind) {
				t := texts[key{d.Kind, d.Name}]
				t[side] = d.Text
				texts[key{d.Kind, d.Name}] = t
			}
		}
	}
	var out []string
	for k, t := range texts {
		if t[0] != t[1] {
			out = append(out, k.kind+" "+k.name)
		}
	}
	slices.Sort(out)
	return out
}

// Compared are the indexes that Unequal judges, and the enums, views and sequences of identity columns that are
// the same on both sides, by the names that the items of a [Baseline] have.
func Compared(source, target []Definition) map[string]bool {
	names := map[string]bool{}
	texts := map[string]string{}
	for _, d := range slices.Concat(source, target) {
		name := strings.ReplaceAll(d.Name, `"`, "")
		switch key := d.Kind + " " + name; {
		case d.Kind == "index":
			names[key], names["index attach "+name] = true, true
		case d.Kind == "enum" && texts[key] == d.Text:
			names["type "+name] = true
		case d.Kind == "identity" && texts[key] == d.Text:
			names["sequence "+name] = true
		case d.Kind == "view" && texts[key] == d.Text:
			names["view "+name], names["materialized view "+name] = true, true
		default:
			texts[key] = d.Text
		}
	}
	return names
}
