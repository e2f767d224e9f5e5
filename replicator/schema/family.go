package schema

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// Family is what has to be made anew on the target along with some tables, as the source has it now.
type Family struct {
	Tables  []uint32   // OIDs of the tables; with those that stand below them, or beside them in a tree that changed
	Above   []Relation // what is partitioned in such a tree
	Views   []Relation // views and materialized views that show any of them, also by way of others
	Foreign []Foreign
}

// Foreign is a foreign key that points to the tables from elsewhere.
type Foreign struct {
	From Relation // the table that it is a constraint of
	Name string
	// Behind is one that points to a partitioned table which stays while a leaf of it is made anew: it
	// can stand again once the leaf is attached.
	Behind bool
}

// Tag is pg_dump's name for it, by which its steps are called.
func (f *Foreign) Tag() string { return f.From.Name + " " + f.Name }

// IDs are those of the steps that make and validate it.
func (f *Foreign) IDs() []string {
	name := f.From.Schema + "." + f.Tag()
	return []string{"FK CONSTRAINT " + name, KindValidate + " " + name}
}

// ReadFamily finds the family of tables. altered are those of them whose columns have changed: their
// whole tree has, for a partition has no columns of its own.
func ReadFamily(ctx context.Context, conn *pg.Conn, tables, altered []uint32) (*Family, error) {
	f := &Family{}
	rows, err := conn.Query(ctx, `WITH RECURSIVE kin(oid) AS (
			SELECT unnest($2::oid[])
			UNION SELECT CASE i.inhrelid WHEN k.oid THEN i.inhparent ELSE i.inhrelid END
			FROM kin k JOIN pg_inherits i ON k.oid IN (i.inhrelid, i.inhparent)
		), below(oid) AS (
			SELECT unnest($1::oid[]) UNION SELECT oid FROM kin
			UNION SELECT i.inhrelid FROM below b JOIN pg_inherits i ON i.inhparent = b.oid
		)
		SELECT c.oid, n.nspname, c.relname, r.rolname, c.relkind
		FROM below b JOIN pg_class c ON c.oid = b.oid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
		ORDER BY c.oid`, oids(tables), oids(altered))
	if err != nil {
		return nil, fmt.Errorf("find what is made anew along with the tables: %w", err)
	}
	var all []uint32
	for _, r := range rows {
		all = append(all, oid(r[0]))
		if r[4] == "r" {
			f.Tables = append(f.Tables, oid(r[0]))
		} else {
			f.Above = append(f.Above, relation(r))
		}
	}
	if f.Views, err = viewsOn(ctx, conn, all); err != nil {
		return nil, err
	}
	return f, f.readForeign(ctx, conn, all)
}

// Roots are the partitioned tables above tables, of every level, by name alone.
func Roots(ctx context.Context, conn *pg.Conn, tables []chunker.Table) ([]chunker.Table, error) {
	list := make([]uint32, len(tables))
	for i := range tables {
		list[i] = tables[i].OID
	}
	rows, err := conn.Query(ctx, `WITH RECURSIVE above(oid) AS (
			SELECT unnest($1::oid[]) UNION SELECT i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.oid
		)
		SELECT c.oid, n.nspname, c.relname FROM above a JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'p' ORDER BY 2, 3`, oids(list))
	if err != nil {
		return nil, fmt.Errorf("find what is above tables: %w", err)
	}
	roots := make([]chunker.Table, len(rows))
	for i, r := range rows {
		roots[i] = chunker.Table{OID: oid(r[0]), Schema: r[1], Name: r[2]}
	}
	return roots, nil
}

// viewsOn finds the views that show relations.
func viewsOn(ctx context.Context, conn *pg.Conn, relations []uint32) ([]Relation, error) {
	rows, err := conn.Query(ctx, `WITH RECURSIVE shows(oid) AS (
			SELECT unnest($1::oid[])
			UNION SELECT w.ev_class FROM shows s JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid
				JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
		)
		SELECT c.oid, n.nspname, c.relname, r.rolname
		FROM shows s JOIN pg_class c ON c.oid = s.oid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
		WHERE c.relkind IN ('v', 'm') ORDER BY c.oid`, oids(relations))
	if err != nil {
		return nil, fmt.Errorf("find views: %w", err)
	}
	views := make([]Relation, len(rows))
	for i, r := range rows {
		views[i] = relation(r)
	}
	return views, nil
}

// readForeign finds foreign keys from elsewhere; those of partitions come with those above them.
func (f *Family) readForeign(ctx context.Context, conn *pg.Conn, all []uint32) error {
	rows, err := conn.Query(ctx, `WITH RECURSIVE above(oid) AS (
			SELECT unnest($1::oid[]) UNION SELECT i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.oid
		)
		SELECT c.oid, n.nspname, c.relname, r.rolname, k.conname, k.confrelid = ANY ($1::oid[])
		FROM above a JOIN pg_constraint k ON k.confrelid = a.oid JOIN pg_class c ON c.oid = k.conrelid
			JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
		WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid <> ALL ($1::oid[]) ORDER BY n.nspname, c.relname, k.conname`, oids(all))
	if err != nil {
		return fmt.Errorf("find foreign keys: %w", err)
	}
	for _, r := range rows {
		f.Foreign = append(f.Foreign, Foreign{From: relation(r), Name: r[4], Behind: r[5] != "t"})
	}
	return nil
}

// AddForeign appends the entries of foreign keys, out of a dump of the tables that have them, to those of
// the tables that they point to.
func AddForeign(entries, theirs []Entry, keys []Foreign) []Entry {
	last := 0
	for i := range entries {
		last = max(last, entries[i].ID)
	}
	for _, e := range theirs {
		if e.Type != "FK CONSTRAINT" || !slices.ContainsFunc(keys, func(k Foreign) bool { return k.From.Schema == e.Schema && k.Tag() == e.Name }) {
			continue
		}
		last++
		e.ID, e.Depends = last, nil // they come behind everything anyway
		entries = append(entries, e)
	}
	return entries
}

func oids(list []uint32) string {
	rows := make([][]string, len(list))
	for i, o := range list {
		rows[i] = []string{strconv.FormatUint(uint64(o), 10)}
	}
	return oidArray(rows)
}

// Named finds the tables of a list that patterns mean: by the names that they have now, as for --table,
// or exactly by the name that the list knows. A pattern that finds none is an error.
func Named(ctx context.Context, conn *pg.Conn, tables []chunker.Table, patterns []string) ([]int, error) {
	var found []int
	for _, p := range patterns {
		n := len(found)
		for i := range tables {
			if t := &tables[i]; p == t.String() || p == t.Qualified() {
				found = append(found, i)
			}
		}
		if len(found) > n {
			continue
		}
		first, err := Matching(ctx, conn, tables, []string{p})
		if err != nil {
			return nil, err
		}
		for i := range first {
			if first[i] == 0 {
				found = append(found, i)
			}
		}
		if len(found) == n {
			return nil, fmt.Errorf("pattern %q: no table of the plan matches", p)
		}
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}
