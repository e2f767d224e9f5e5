package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"replicator/chunker"
	"replicator/replicator/ddl"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// Statements on a partitioned table, the head. The event triggers tell of it first, then of every table
// of its tree that the statement has changed. Followed are the leaves: what they agree on is run on the
// head, and the target's server takes it to what is below, as the source's did. Then each leaf is looked
// at. A table that the target does not have comes at the fence, from a dump, and is passed over.

// tree is what is told of one statement.
type tree struct {
	head    *ddl.State
	parts   []*ddl.State
	between []*ddl.State // those of parts that are partitioned and that the target has
}

// branch is a followed leaf that is no longer what it was.
type branch struct {
	was    *chunker.Table
	now    *ddl.State
	entry  chunker.Table
	change *ddl.Change
}

var errTornTree = fault.New(fault.Preflight, errors.New("what the source's event triggers tell of a tree of partitions is not whole"),
	"hold them against what replicator sql source-setup --ddl replicate prints; replicator resync takes the tables of the tree through again")

// carryPart takes one table of a tree; with the last one the statement is carried.
func (a *applier) carryPart(ctx context.Context, s *ddl.State) error {
	c := &a.carrying
	switch {
	case !s.Part && c.tree == nil:
		c.tree = &tree{head: s}
	case s.Part && c.tree != nil:
		c.tree.parts = append(c.tree.parts, s)
	default:
		return errTornTree
	}
	t := c.tree
	if len(t.parts) < t.head.Parts {
		return nil
	}
	c.tree = nil
	return a.carryTree(ctx, t)
}

func (a *applier) carryTree(ctx context.Context, t *tree) error {
	told, err := a.branches(t)
	if err != nil {
		return err
	}
	followed, others, err := a.below(ctx, t.head)
	if err != nil {
		return err
	}
	switch {
	case len(told) == 0 && (len(followed) == 0 || slices.ContainsFunc(followed, a.judged)):
		return nil // nothing that is there is concerned, or it is all the same to rows
	case len(followed)+len(others) == 0 && !slices.ContainsFunc(told, func(b branch) bool { return b.change.Moved && b.now.Parent == nil }):
		return &ddl.Refusal{Table: told[0].was.String(), Why: "a statement on its tree, which the target does not have,"}
	}
	change, err := agreed(t, told, followed)
	if err != nil {
		return err
	}
	return a.alterTree(ctx, t, told, change, others)
}

// branches are the followed leaves that are told of, without those that are as they were.
func (a *applier) branches(t *tree) (told []branch, err error) {
	for _, p := range t.parts {
		was := a.relations.byOID[p.OID]
		if was == nil || was.Late() || p.Partitioned() || a.passes(p.OID) {
			continue
		}
		rewrite := a.carrying.rewrites[p.OID]
		change, err := ddl.Derive(was, p, rewrite)
		if err != nil {
			return nil, err
		}
		delete(a.carrying.rewrites, p.OID)
		entry := p.Entry(was)
		switch {
		case rewrite == nil && reflect.DeepEqual(entry, *was):
		case !a.judged(was):
			told = append(told, branch{was, p, entry, change})
		case len(change.Actions) > 0 || change.Moved || rewrite != nil:
			return nil, &ddl.Refusal{Table: was.String(), Why: "a statement on its tree, while the table is copied,"}
		}
	}
	return told, nil
}

// below are the leaves under the head on the target: those that are followed, and the others.
func (a *applier) below(ctx context.Context, head *ddl.State) (followed []*chunker.Table, others []ddl.Name, err error) {
	rows, err := a.query(ctx, `WITH RECURSIVE tree AS (
			SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'p'
			UNION ALL SELECT i.inhrelid FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
		)
		SELECT n.nspname, c.relname FROM tree t JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'`,
		head.Schema, head.Name)
	if err != nil {
		return nil, nil, fmt.Errorf("read the tree of %s on the target: %w", head.Called(), err)
	}
	for _, r := range rows {
		if t := a.relations.tables[r[0]+"\x00"+r[1]]; t != nil && !t.Late() {
			followed = append(followed, t)
		} else {
			others = append(others, ddl.Name{Schema: r[0], Name: r[1]})
		}
	}
	return followed, others, nil
}

// agreed is what the columns of all leaves have in common to be changed.
func agreed(t *tree, told []branch, followed []*chunker.Table) (*ddl.Change, error) {
	all := &ddl.Change{}
	by := map[string]*ddl.Change{}
	for i := range told {
		c := told[i].change
		by[told[i].was.String()] = c
		if len(c.Actions) > 0 {
			all = c
		}
	}
	if len(all.Actions) == 0 {
		return all, nil
	}
	alike := true
	for _, f := range followed {
		c := by[f.String()]
		alike = alike && c != nil && slices.Equal(c.Actions, all.Actions)
		delete(by, f.String())
	}
	for _, c := range by { // in no tree of the head
		alike = alike && len(c.Actions) == 0
	}
	if !alike {
		return nil, &ddl.Refusal{Table: t.head.Called().String(), Why: strings.Join(all.Kinds, ", ") + ", which has not done the same to all its partitions,"}
	}
	return all, nil
}

// alterTree makes the target's tree what is told of the source's, looks whether it has become that, and
// notes it.
func (a *applier) alterTree(ctx context.Context, t *tree, told []branch, change *ddl.Change, others []ddl.Name) error {
	if err := a.upToHere(ctx); err != nil {
		return err
	}
	done, err := a.alterHead(ctx, t.head, change)
	if err != nil {
		return err
	}
	if len(done) > 0 && len(others) > 0 {
		return &ddl.Refusal{Table: others[0].String(), Why: strings.Join(done, ", ") + ", of a tree in which it is copied at the fence,"}
	}
	if err := a.placeParts(ctx, t); err != nil {
		return err
	}
	for i := range told {
		b := &told[i]
		if err := a.alterPart(ctx, &b.entry, b.now, "ONLY ", b.change.Moved && b.now.Parent == nil); err != nil {
			return err
		}
	}
	for _, p := range t.between {
		if err := a.alterPart(ctx, p.Table(), p, "", false); err != nil {
			return err
		}
	}
	a.cfg.Hook(StatementRan)
	if err := a.haveBecome(ctx, t, told, len(done) > 0); err != nil {
		return err
	}
	for i := range told {
		b := &told[i]
		if err := a.note(ctx, b.was, Carried{Statement: b.says(t, done), Table: b.entry}); err != nil {
			return err
		}
	}
	return nil
}

// says is what is noted of the statement.
func (b *branch) says(t *tree, done []string) string {
	switch {
	case b.change.Moved && b.now.Parent == nil:
		return "DETACH PARTITION"
	case b.change.Moved:
		return "ATTACH PARTITION to " + b.now.Parent.String()
	case len(done) == 0:
		return "ALTER TABLE " + t.head.Called().String()
	}
	return strings.Join(done, ", ")
}

// asTold are settings under which the target spells values as the event triggers do.
var asTold = map[string]string{"search_path": "pg_catalog", "timezone": "UTC", "datestyle": "ISO, MDY", "intervalstyle": "postgres"}

// under runs do as the owner of t, with settings.
func (a *applier) under(ctx context.Context, t *chunker.Table, settings map[string]string, kinds []string, do func(conn *pg.Conn) error) error {
	s := a.session
	restore, err := s.become(ctx, t, settings)
	if err == nil {
		err = do(s.conn)
	}
	if err == nil {
		err = s.conn.Exec(ctx, restore)
	}
	if err != nil {
		return a.statementError(ctx, t, kinds, err)
	}
	return nil
}

// alterHead runs on the head what goes down to its leaves, and gives it the defaults that it has by itself.
func (a *applier) alterHead(ctx context.Context, now *ddl.State, change *ddl.Change) (done []string, err error) {
	head := now.Table()
	settings := maps.Clone(asTold)
	maps.Copy(settings, change.Settings)
	done = slices.Clone(change.Kinds)
	err = a.under(ctx, head, settings, change.Kinds, func(conn *pg.Conn) error {
		if len(change.Actions) > 0 {
			if err := conn.Exec(ctx, strings.Join(change.Statements(head.Qualified()), ";\n")); err != nil {
				return err
			}
		}
		kinds, err := a.setNotNull(ctx, head, now, "")
		if err != nil {
			return err
		}
		done = append(done, kinds...)
		return a.setDefaults(ctx, head, now)
	})
	return done, err
}

// setNotNull makes columns take NULL, or none, as told.
func (a *applier) setNotNull(ctx context.Context, t *chunker.Table, now *ddl.State, only string) (kinds []string, err error) {
	have, err := a.columnsOf(ctx, t)
	if err != nil {
		return nil, err
	}
	for _, c := range now.Columns {
		h, there := have[c.Name]
		if !there || h.notNull == c.NotNull {
			continue
		}
		word := "SET"
		if h.notNull {
			word = "DROP"
		}
		if err := a.session.conn.Exec(ctx, "ALTER TABLE "+only+t.Qualified()+" ALTER COLUMN "+pg.Ident(c.Name)+" "+word+" NOT NULL"); err != nil {
			return nil, err
		}
		kinds = append(kinds, word+" NOT NULL "+c.Name)
	}
	return kinds, nil
}

// alterPart gives a table of the tree what it has by itself.
func (a *applier) alterPart(ctx context.Context, t *chunker.Table, now *ddl.State, only string, detached bool) error {
	return a.under(ctx, t, asTold, []string{"ALTER TABLE"}, func(*pg.Conn) error {
		_, err := a.setNotNull(ctx, t, now, only)
		if err == nil {
			err = a.setDefaults(ctx, t, now)
		}
		if err == nil && detached {
			err = a.addChecks(ctx, t, now)
		}
		return err
	})
}

// addChecks adds what DETACH CONCURRENTLY leaves behind: the bound, as a constraint.
func (a *applier) addChecks(ctx context.Context, t *chunker.Table, now *ddl.State) error {
	for _, c := range now.Checks {
		there, err := a.session.query(ctx, "SELECT 1 FROM pg_constraint WHERE conrelid = to_regclass($1) AND conname = $2", t.Qualified(), c.Name)
		if err == nil && len(there) == 0 {
			err = a.session.conn.Exec(ctx, "ALTER TABLE ONLY "+t.Qualified()+" ADD CONSTRAINT "+pg.Ident(c.Name)+" "+c.Definition)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// place is where a table stands on the target.
type place struct {
	parent ddl.Name // none: zero
	bound  string
}

// placed is where a part stands on the source.
func placed(s *ddl.State) place {
	if s.Parent == nil {
		return place{}
	}
	return place{*s.Parent, s.Bound}
}

// follows reports whether changes of the table come.
func (a *applier) follows(oid uint32) bool {
	t := a.relations.byOID[oid]
	return t != nil && !t.Late()
}

// places reads where those of the parts stand that the target has and that are followed or partitioned.
func (a *applier) places(ctx context.Context, t *tree) (map[ddl.Name]place, error) {
	var schemas, names []string
	for _, p := range t.parts {
		if p.Partitioned() || a.follows(p.OID) && !a.passes(p.OID) {
			schemas, names = append(schemas, p.Schema), append(names, p.Name)
		}
	}
	var rows [][]string
	err := a.under(ctx, t.head.Table(), asTold, nil, func(*pg.Conn) (err error) {
		rows, err = a.session.query(ctx, `SELECT n.nspname, c.relname, coalesce(pn.nspname, ''), coalesce(p.relname, ''), coalesce(pg_get_expr(c.relpartbound, c.oid), '')
		FROM unnest($1::text[], $2::text[]) AS w(nsp, rel) JOIN pg_namespace n ON n.nspname = w.nsp::name
			JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.rel::name AND c.relkind IN ('r', 'p')
			LEFT JOIN (pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace)
				ON i.inhrelid = c.oid AND c.relispartition`, pg.Array(schemas), pg.Array(names))
		return err
	})
	if err != nil {
		return nil, err
	}
	at := map[ddl.Name]place{}
	for _, r := range rows {
		at[ddl.Name{Schema: r[0], Name: r[1]}] = place{ddl.Name{Schema: r[2], Name: r[3]}, r[4]}
	}
	return at, nil
}

// placeParts detaches and attaches, from above to below.
func (a *applier) placeParts(ctx context.Context, t *tree) error {
	at, err := a.places(ctx, t)
	if err != nil {
		return err
	}
	for _, p := range t.parts {
		have, there := at[p.Called()]
		if there && p.Partitioned() {
			t.between = append(t.between, p)
		}
		if there && have != placed(p) {
			if err := a.place(ctx, p, have); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *applier) place(ctx context.Context, p *ddl.State, have place) error {
	t := p.Called()
	move := func(root ddl.Name, sql string) error {
		return a.under(ctx, &chunker.Table{Schema: root.Schema, Name: root.Name}, asTold, []string{sql + " PARTITION of " + t.String()}, func(conn *pg.Conn) error {
			more := ""
			if sql == "ATTACH" {
				more = " " + p.Bound
			}
			return conn.Exec(ctx, "ALTER TABLE "+root.Qualified()+" "+sql+" PARTITION "+t.Qualified()+more)
		})
	}
	if have.parent != (ddl.Name{}) {
		if err := move(have.parent, "DETACH"); err != nil {
			return err
		}
	}
	if p.Parent == nil {
		return nil
	}
	return move(*p.Parent, "ATTACH")
}

// haveBecome holds the target's tree against what is told: the head, each leaf, and where each stands. all
// says that leaves that nothing is told of may have been changed here as well.
func (a *applier) haveBecome(ctx context.Context, t *tree, told []branch, all bool) error {
	at, err := a.places(ctx, t)
	if err != nil {
		return err
	}
	for _, p := range t.parts {
		if have, there := at[p.Called()]; there && have != placed(p) {
			return &ddl.Refusal{Table: p.Called().String(), Why: "ATTACH or DETACH PARTITION, after which the target's tree would not be the source's,"}
		}
	}
	for i := range told {
		if err := a.hasBecome(ctx, &told[i].entry, told[i].now); err != nil {
			return err
		}
	}
	if !all {
		return nil
	}
	for _, p := range append([]*ddl.State{t.head}, t.between...) {
		if err := a.hasBecome(ctx, p.Table(), p); err != nil {
			return err
		}
	}
	return a.stayed(ctx, t, told)
}

// stayed looks at the leaves that nothing is told of: they have to be as the plan has them.
func (a *applier) stayed(ctx context.Context, t *tree, told []branch) error {
	followed, _, err := a.below(ctx, t.head)
	if err != nil {
		return a.pieceError(ctx, err)
	}
	followed = slices.DeleteFunc(followed, func(f *chunker.Table) bool {
		return slices.ContainsFunc(told, func(b branch) bool { return b.was == f })
	})
	for part := range slices.Chunk(followed, readAhead) {
		list, err := readColumns(ctx, a.session, part)
		if err != nil {
			return a.pieceError(ctx, err)
		}
		for i, f := range part {
			for _, c := range list[i] {
				n := f.Column(c.name)
				if !c.generated && (n < 0 || f.Columns[n].Type != c.kind || f.Columns[n].NotNull != c.notNull) {
					return &ddl.Refusal{Table: f.String(), Why: "a statement on its tree that changes it on the target and not on the source"}
				}
			}
		}
	}
	return nil
}
