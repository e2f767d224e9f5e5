package check

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// movesObjects reports whether large objects move along: as with pg_dump, unless tables or schemas are
// named.
func (r *run) movesObjects() bool {
	switch r.o.LargeObjects {
	case "yes":
		return true
	case "no":
		return false
	}
	return len(r.o.Select.Tables)+len(r.o.Select.Schemas) == 0
}

// largeObjects are moved in rounds, see package largeobject. Only the catalog is counted, which everybody
// may read; their size is that of all pages.
func (r *run) largeObjects(ctx context.Context) error {
	rows, err := r.src.query(ctx, "SELECT count(*), pg_size_pretty(pg_table_size('pg_largeobject')) FROM pg_largeobject_metadata")
	if err != nil {
		return err
	}
	n, size := number(rows[0][0]), rows[0][1]
	f := Finding{ID: "large-objects", Side: Source, Subject: "large objects"}
	switch {
	case n == 0:
		f.Level, f.Text = OK, "none"
	case r.movesObjects():
		f.Level, f.Text = OK, fmt.Sprintf("%s, %s: copied, then compared and brought up to date in rounds, at last at the fence", count(n, "large object"), size)
	default:
		f.Level, f.Text = r.risk(), fmt.Sprintf("%s, %s, would not be moved", count(n, "large object"), size)
		f.Hint = "move them with --large-objects yes; or acknowledge with --accept-risk that nobody needs them there"
	}
	r.add(f)
	if n == 0 || !r.movesObjects() {
		return nil
	}
	for _, s := range r.sides() {
		if err := r.readsObjects(ctx, s); err != nil {
			return err
		}
	}
	return r.objectLabels(ctx)
}

// readsObjects: pages are read from the table, on the target to be compared.
func (r *run) readsObjects(ctx context.Context, s *side) error {
	may, err := s.value(ctx, "SELECT has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') OR pg_has_role('pg_read_all_data', 'USAGE')")
	if err != nil {
		return err
	}
	if may == "t" {
		r.ok("large-object-rights", s.name, "large objects", "the role may read them")
		return nil
	}
	r.add(Finding{ID: "large-object-rights", Level: Must, Side: s.name, Subject: "large objects",
		Text: fmt.Sprintf("role %s may not read them", s.Role),
		SQL:  lines("GRANT pg_read_all_data TO " + s.role())})
	return nil
}

// objectLabels: security labels take a provider that the target may not have.
func (r *run) objectLabels(ctx context.Context) error {
	n, err := r.src.value(ctx, "SELECT count(*) FROM pg_seclabel WHERE classoid = 'pg_largeobject'::regclass")
	if err == nil && n != "0" {
		r.add(Finding{ID: "large-object-labels", Level: r.risk(), Side: Source, Subject: "large objects",
			Text: count(number(n), "security label") + " of large objects not carried",
			Hint: "set them on the target after it has opened, and acknowledge that with --accept-risk"})
	}
	return err
}

// strangeObjects: a target with large objects of its own cannot be told from one of an earlier attempt.
func (r *run) strangeObjects(ctx context.Context) error {
	if !r.movesObjects() {
		return nil
	}
	job, err := r.dst.value(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'replicator')")
	if err != nil || job == "t" {
		return err
	}
	n, err := r.dst.value(ctx, "SELECT count(*) FROM pg_largeobject_metadata")
	if err != nil {
		return err
	}
	if n == "0" {
		r.ok("empty-objects", Target, "empty", "no large objects stand there")
		return nil
	}
	r.add(Finding{ID: "empty-objects", Level: Must, Side: Target, Subject: "empty",
		Text: count(number(n), "large object") + " already in the target: a job that moves large objects would remove them",
		SQL: lines(fmt.Sprintf("-- this destroys them: be sure that %s is the database to be filled", pg.Ident(r.dst.Database)),
			"SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata"),
		Hint: "better make a new database; or leave them alone with --large-objects no"})
	return nil
}
