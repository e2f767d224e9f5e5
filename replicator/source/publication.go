package source

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// EnsurePublication makes the publication of exactly these tables, or accepts one that a DBA has
// made. It must exist before the slot and is never altered afterwards. No table without a usable
// identity is ever in it: the wards' UPDATEs would fail (invariant I9).
func EnsurePublication(ctx context.Context, conn *pg.Conn, name string, tables []chunker.Table) error {
	for i := range tables {
		if tables[i].Late() {
			return fmt.Errorf("table %s has no usable replica identity and must not be published", &tables[i])
		}
	}
	// What filters rows or columns, and whole schemas, came with 15: JSON has it as NULL before.
	rows, err := conn.Query(ctx, `SELECT NOT puballtables AND pubinsert AND pubupdate AND pubdelete AND pubtruncate AND NOT pubviaroot
			AND NOT EXISTS (SELECT FROM pg_publication_rel r WHERE prpubid = p.oid AND coalesce(to_jsonb(r)->>'prqual', to_jsonb(r)->>'prattrs') IS NOT NULL)
		FROM pg_publication p WHERE pubname = $1`, name)
	if err != nil {
		return fmt.Errorf("look for publication: %w", err)
	}
	if len(rows) == 0 {
		return createPublication(ctx, conn, name, tables)
	}
	if rows[0][0] != "t" {
		return fault.New(fault.Preflight, fmt.Errorf("publication %s does not publish every change of listed tables, and of no others", name),
			"drop it, or give another name with --publication")
	}
	return matchPublication(ctx, conn, name, tables)
}

func createPublication(ctx context.Context, conn *pg.Conn, name string, tables []chunker.Table) error {
	// Several statements in one message are one transaction, and the timeout ends with it.
	err := conn.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d; %s", LockTimeout.Milliseconds(), PublicationSQL(name, tables)))
	if pg.State(err) == "42501" {
		return fault.New(fault.Preflight, fmt.Errorf("create publication %s: %w", name, err),
			"let the tables' owner run what `replicator sql source-setup` prints")
	}
	if err != nil {
		return fmt.Errorf("create publication %s: %w", name, err)
	}
	return nil
}

// PublicationSQL is the statement that publishes the tables.
func PublicationSQL(name string, tables []chunker.Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE PUBLICATION %s", pg.Ident(name))
	for i := range tables {
		if i == 0 {
			b.WriteString(" FOR TABLE")
		} else {
			b.WriteByte(',')
		}
		b.WriteString(" ONLY " + tables[i].Qualified())
	}
	return b.String()
}

// matchPublication compares an existing publication with the plan.
func matchPublication(ctx context.Context, conn *pg.Conn, name string, tables []chunker.Table) error {
	rows, err := conn.Query(ctx, "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = $1", name)
	if err != nil {
		return fmt.Errorf("read publication: %w", err)
	}
	var have, want []string
	for _, r := range rows {
		have = append(have, r[0])
	}
	for i := range tables {
		want = append(want, tables[i].String())
	}
	missing, extra := without(want, have), without(have, want)
	if len(missing)+len(extra) == 0 {
		return nil
	}
	return fault.New(fault.Preflight, fmt.Errorf("publication %s is not the plan's: missing %s; too many %s", name, some(missing), some(extra)),
		"drop it and let the tables' owner run what `replicator sql source-setup` prints")
}

func without(a, b []string) []string {
	in := make(map[string]bool, len(b))
	for _, s := range b {
		in[s] = true
	}
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return in[s] })
}

// some names a few and counts the rest.
func some(names []string) string {
	const most = 5
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// DropPublication removes it if our role may.
func DropPublication(ctx context.Context, conn *pg.Conn, name string) error {
	return conn.Exec(ctx, "DROP PUBLICATION IF EXISTS "+pg.Ident(name))
}

var notInSlotName = regexp.MustCompile(`[^a-z0-9_]+`)

// DefaultName is the name of the slot and of the publication for a database: what a slot's name may
// hold, 63 bytes at most.
func DefaultName(database string) string {
	name := "replicator_" + notInSlotName.ReplaceAllString(strings.ToLower(database), "_")
	return name[:min(len(name), 63)]
}
