package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/wal/slot"
)

// sourceRights: everything that moves can be read, and everybody's sessions can be seen.
func (r *run) sourceRights(ctx context.Context) error {
	if err := r.readable(ctx); err != nil {
		return err
	}
	for _, m := range []struct{ id, role, loss string }{
		{"read-all", "pg_read_all_data", "tables that are made later cannot be read, unless each is granted"},
		{"monitor", "pg_monitor", "sessions of other roles are not seen: whom the slot waits for, and who writes at the fence"},
	} {
		has, err := r.src.value(ctx, "SELECT pg_has_role($1, 'USAGE')", m.role)
		if err != nil {
			return err
		}
		if has == "t" {
			r.ok(m.id, Source, m.role, "granted")
			continue
		}
		r.add(Finding{ID: m.id, Level: Note, Side: Source, Subject: m.role,
			Text: "not granted: " + m.loss, SQL: lines(fmt.Sprintf("GRANT %s TO %s", m.role, r.src.role()))})
	}
	if err := r.slotRights(ctx); err != nil {
		return err
	}
	return r.fence(ctx)
}

// slotRights: behind the slot seed changes a catalog.
func (r *run) slotRights(ctx context.Context) error {
	may, err := r.src.value(ctx, slotFunctions("current_user"))
	if err != nil {
		return err
	}
	if may == "t" {
		r.ok("slot-rights", Source, "slot", "the role may execute what is needed behind it")
		return nil
	}
	r.add(Finding{ID: "slot-rights", Level: Must, Side: Source, Subject: "slot",
		Text: fmt.Sprintf("role %s may not execute %s: behind the slot it makes a large object and removes it, so that the server decodes by catalogs of that moment", r.src.Role, slot.Functions),
		SQL:  lines(grantSlotFunctions(r.src.role()))})
	return nil
}

// slotFunctions asks whether a role, an SQL expression, may execute what slot.Create does.
func slotFunctions(role string) string {
	var may []string
	for name := range strings.SplitSeq(slot.Functions, ", ") {
		may = append(may, fmt.Sprintf("has_function_privilege(%s, %s, 'EXECUTE')", role, pg.Literal(name)))
	}
	return "SELECT " + strings.Join(may, " AND ")
}

func grantSlotFunctions(role string) string {
	return fmt.Sprintf("GRANT EXECUTE ON FUNCTION %s TO %s", slot.Functions, role)
}

// readable asks once for all tables and sequences.
func (r *run) readable(ctx context.Context) error {
	sequences, err := schema.Sequences(ctx, r.src.conn, r.o.Select)
	if err != nil {
		return r.src.failed(err)
	}
	oids := make([]string, len(sequences))
	for i := range sequences {
		oids[i] = strconv.FormatUint(uint64(sequences[i].OID), 10)
	}
	rows, err := r.src.query(ctx, `SELECT `+qualified+` FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE (c.oid = ANY ($1::oid[]) OR c.oid = ANY ($2::oid[]))
			AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind
				WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END)
		ORDER BY 1`, r.oids, "{"+strings.Join(oids, ",")+"}")
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		r.ok("select", Source, "SELECT", "every table and sequence can be read")
		return nil
	}
	names := column(rows, 0)
	r.add(Finding{ID: "select", Level: Must, Side: Source, Subject: "SELECT", Names: names,
		Text: fmt.Sprintf("role %s cannot read %s: %s", r.src.Role, count(len(names), "relation"), few(names)),
		SQL:  lines(fmt.Sprintf("GRANT pg_read_all_data TO %s", r.src.role()))})
	return nil
}

// fence: only the database's owner may close it to others, and only who may signal others may end
// their sessions.
func (r *run) fence(ctx context.Context) error {
	rows, err := r.src.query(ctx, `SELECT pg_has_role(datdba, 'USAGE'), pg_has_role('pg_signal_backend', 'USAGE')
		FROM pg_database WHERE datname = current_database()`)
	if err != nil {
		return err
	}
	var sql []string
	if rows[0][0] != "t" {
		sql = append(sql, fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", r.src.database(), r.src.role()))
	}
	if rows[0][1] != "t" {
		sql = append(sql, fmt.Sprintf("GRANT pg_signal_backend TO %s", r.src.role()))
	}
	if len(sql) == 0 {
		r.ok("fence", Source, "fence", "the role may fence the database itself")
		return nil
	}
	r.add(Finding{ID: "fence", Level: Note, Side: Source, Subject: "fence",
		Text: "the role may not fence the database: catchup --fence operator is left, where a person stops the writers",
		SQL:  lines(sql...), Hint: "needed for catchup --fence database only"})
	return nil
}

// publication: it is there and is the plan's, or the role may make it.
func (r *run) publication(ctx context.Context) error {
	published := r.published()
	rows, err := r.src.query(ctx, `SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate AND NOT pubviaroot
		FROM pg_publication WHERE pubname = $1`, r.o.Publication)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return r.newPublication(ctx, published)
	}
	f := Finding{ID: "publication", Level: Must, Side: Source, Subject: "publication",
		SQL: lines("DROP PUBLICATION "+pg.Ident(r.o.Publication), publicationSQL(r.o.Publication, published, r.src.role()))}
	switch {
	case rows[0][1] != "t":
		f.Text = fmt.Sprintf("%s does not publish every kind of change of the tables themselves", r.o.Publication)
	case rows[0][0] == "t":
		f.Text = fmt.Sprintf("%s is for all tables, also for those that are made later", r.o.Publication)
	default:
		if f.Text, f.Names, err = r.publicationDiffers(ctx, published); err != nil {
			return err
		}
	}
	if f.Text == "" {
		r.ok("publication", Source, "publication", "%s publishes the tables of the plan", r.o.Publication)
		return nil
	}
	r.add(f)
	return nil
}

// published are the tables whose changes come in the stream. With --no-key full seed gives the
// others an identity first.
func (r *run) published() []chunker.Table {
	return slices.DeleteFunc(slices.Clone(r.tables), func(t chunker.Table) bool { return r.late(&t) || r.naming[t.OID] })
}

func (r *run) late(t *chunker.Table) bool {
	return t.Late() && (r.o.NoKey != "full" || !t.MayBeFull())
}

// publicationSQL makes the publication and gives it to the role, which may then drop it.
func publicationSQL(name string, tables []chunker.Table, role string) string {
	return lines(source.PublicationSQL(name, tables), fmt.Sprintf("ALTER PUBLICATION %s OWNER TO %s", pg.Ident(name), role))
}

func (r *run) newPublication(ctx context.Context, published []chunker.Table) error {
	oids := oidArray(published, func(*chunker.Table) bool { return true })
	rows, err := r.src.query(ctx, `SELECT has_database_privilege(current_database(), 'CREATE'),
		(SELECT count(*) FROM pg_class WHERE oid = ANY ($1::oid[]) AND NOT pg_has_role(relowner, 'USAGE'))`, oids)
	if err != nil {
		return err
	}
	if r.src.Superuser || rows[0][0] == "t" && rows[0][1] == "0" {
		r.ok("publication", Source, "publication", "%s does not exist and can be made", r.o.Publication)
		return nil
	}
	r.add(Finding{ID: "publication", Level: Must, Side: Source, Subject: "publication",
		Text: fmt.Sprintf("%s does not exist, and role %s does not own the tables and so cannot make it", r.o.Publication, r.src.Role),
		SQL:  publicationSQL(r.o.Publication, published, r.src.role()), Hint: "run it as a superuser, before seed"})
	return nil
}

// publicationDiffers compares what is published with the plan.
func (r *run) publicationDiffers(ctx context.Context, published []chunker.Table) (string, []string, error) {
	filter := "false"
	if r.src.major() >= 15 {
		filter = "EXISTS (SELECT FROM pg_publication_rel f WHERE f.prpubid = p.oid AND (f.prqual IS NOT NULL OR f.prattrs IS NOT NULL))"
	}
	rows, err := r.src.query(ctx, `SELECT schemaname || '.' || tablename, `+filter+` FROM pg_publication_tables t JOIN pg_publication p USING (pubname)
		WHERE pubname = $1`, r.o.Publication)
	if err != nil {
		return "", nil, err
	}
	have := make(map[string]bool, len(rows))
	for _, row := range rows {
		if row[1] == "t" {
			return fmt.Sprintf("%s leaves out rows or columns", r.o.Publication), nil, nil
		}
		have[row[0]] = true
	}
	var missing, extra []string
	for i := range published {
		if name := published[i].String(); have[name] {
			delete(have, name)
		} else {
			missing = append(missing, name)
		}
	}
	for name := range have {
		extra = append(extra, name)
	}
	slices.Sort(extra)
	switch {
	case len(missing) > 0:
		return fmt.Sprintf("%s lacks %s", r.o.Publication, few(missing)), missing, nil
	case len(extra) > 0:
		return fmt.Sprintf("%s publishes %s, which the plan does not", r.o.Publication, few(extra)), extra, nil
	}
	return "", nil, nil
}
