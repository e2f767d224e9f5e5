package apply

import (
	"context"
	"encoding/json"
	"slices"

	"replicator/chunker"
	"replicator/replicator/ddl"
	"replicator/replicator/pg"
)

// Tables that are dropped. What the source has dropped along with them by CASCADE goes along here: foreign
// keys that point to them, and views. Whatever else needs them on the target is in the way, and the job
// stops: nothing is dropped here by CASCADE.

// dropTables drops those of the plan that the source has dropped, all in one.
func (a *applier) dropTables(ctx context.Context, told []ddl.Object) error {
	tables, err := a.dropped(told)
	if err != nil || len(tables) == 0 {
		return err
	}
	names, err := a.withRoots(ctx, told, tables)
	if err != nil {
		return err
	}
	if err := a.upToHere(ctx); err != nil {
		return err
	}
	views := []string{}
	for i := range told {
		if o := &told[i]; o.Kind == "view" || o.Kind == "materialized view" {
			views = append(views, o.Called().Qualified())
		}
	}
	plan, err := json.Marshal(map[string]any{"tables": names, "views": views, "sequences": []string{}, "alone": true})
	if err != nil {
		return err
	}
	_, err = a.session.query(ctx, "SELECT set_config('replicator.anew', $1, true), set_config('lock_timeout', $2, true)", string(plan), statementLock)
	if err == nil {
		err = a.session.conn.Exec(ctx, ddl.TakeAway+"SET LOCAL lock_timeout = 0")
	}
	if err != nil {
		return a.statementError(ctx, tables[0], []string{"DROP TABLE"}, err)
	}
	a.cfg.Hook(StatementRan)
	return a.noteDropped(ctx, tables, told)
}

// dropped are the tables of the plan among what the source has dropped.
func (a *applier) dropped(told []ddl.Object) (tables []*chunker.Table, err error) {
	for i := range told {
		o := &told[i]
		t := a.relations.byOID[o.OID]
		if n := slices.IndexFunc(a.cfg.Late, func(l chunker.Table) bool { return l.OID == o.OID }); t == nil && n >= 0 {
			t = &a.cfg.Late[n]
		}
		switch {
		case o.Kind != "table" || t == nil || t.Gone || a.passes(o.OID):
		case !t.Late() && a.judged(t):
			return nil, &ddl.Refusal{Table: t.String(), Why: "DROP TABLE, while the table is copied,"}
		default:
			tables = append(tables, t)
		}
	}
	return tables, nil
}

// withRoots are the names of the tables, and of partitioned ones that went with them: of those the target
// must not have a partition that the source has not dropped.
func (a *applier) withRoots(ctx context.Context, told []ddl.Object, tables []*chunker.Table) (names []string, err error) {
	going, schemas, roots := map[ddl.Name]bool{}, []string{}, []string{}
	for _, t := range tables {
		names = append(names, t.Qualified())
		going[ddl.Name{Schema: t.Schema, Name: t.Name}] = true
	}
	for i := range told {
		if o := &told[i]; o.Kind == "table" && !going[o.Called()] {
			schemas, roots = append(schemas, o.Schema), append(roots, o.Name)
		}
	}
	rows, err := a.query(ctx, `WITH RECURSIVE roots AS (
			SELECT c.oid, n.nspname, c.relname FROM unnest($1::text[], $2::text[]) AS w(nsp, rel) JOIN pg_namespace n ON n.nspname = w.nsp::name
				JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.rel::name AND c.relkind = 'p'
		), below AS (
			SELECT oid AS root, oid FROM roots UNION ALL SELECT b.root, i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.oid
		)
		SELECT r.nspname, r.relname, n.nspname, c.relname FROM below b JOIN roots r ON r.oid = b.root JOIN pg_class c ON c.oid = b.oid JOIN pg_namespace n ON n.oid = c.relnamespace`,
		pg.Array(schemas), pg.Array(roots))
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		root, part := ddl.Name{Schema: r[0], Name: r[1]}, ddl.Name{Schema: r[2], Name: r[3]}
		if root == part {
			names = append(names, root.Qualified())
		} else if !slices.ContainsFunc(told, func(o ddl.Object) bool { return o.Kind == "table" && o.Called() == part }) {
			return nil, &ddl.Refusal{Table: part.String(), Why: "DROP TABLE of " + root.String() + " above it, which left it alone,"}
		}
	}
	return names, nil
}

// noteDropped notes that the tables are gone, and of what went along with them what the target has no more.
func (a *applier) noteDropped(ctx context.Context, tables []*chunker.Table, told []ddl.Object) error {
	along := []ddl.Object{}
	for _, o := range told {
		there := "SELECT to_regclass($1) IS NULL AND $2 = ''"
		if o.Kind == "table constraint" {
			there = "SELECT NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = $2)"
		}
		rows, err := a.session.query(ctx, there, o.Called().Qualified(), o.Part)
		if err != nil {
			return a.pieceError(ctx, err)
		}
		if rows[0][0] == "t" {
			along = append(along, o)
		}
	}
	for _, t := range tables {
		if !slices.ContainsFunc(along, func(o ddl.Object) bool { return o.OID == t.OID && o.Kind == "table" }) {
			return &ddl.Refusal{Table: t.String(), Why: "DROP TABLE, which has not dropped it on the target,"}
		}
	}
	for _, t := range tables {
		gone := *t
		gone.Gone, gone.Bytes, gone.Pages, gone.Rows = true, 0, 0, 0
		if err := a.note(ctx, t, Carried{Statement: "DROP TABLE", Table: gone, Dropped: along}); err != nil {
			return err
		}
		along = nil
	}
	return nil
}
