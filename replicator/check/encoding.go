package check

import (
	"context"
	"fmt"
	"strings"

	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

const (
	utf8     = "UTF8"
	sqlASCII = "SQL_ASCII"
)

// encoding: both sides speak UTF-8 with us, so the target must be able to store whatever UTF-8 the
// source can send. A source of SQL_ASCII sends bytes that nobody ever checked.
func (r *run) encoding(context.Context) error {
	from, to := r.src.Encoding, r.dst.Encoding
	f := Finding{ID: "encoding", Level: OK, Side: Both, Subject: "encoding", Text: fmt.Sprintf("%s to %s", from, to)}
	switch {
	case from == to && from == sqlASCII:
		f.Level, f.Text = Note, "SQL_ASCII on both sides: bytes move as they are, whatever they mean"
	case from == to, to == utf8 && from != sqlASCII:
	case from == sqlASCII:
		f.Level, f.Side = r.risk(), Target
		f.Text = fmt.Sprintf("the source is SQL_ASCII: its bytes were never checked, and the first that is not valid %s stops the copy", to)
		f.SQL = recreateSQL(r.dst, sqlASCII, "C", "C")
		f.Hint = "or make sure that all text is valid UTF-8 and go on with --accept-risk"
	default:
		f.Level, f.Side = Must, Target
		f.Text = fmt.Sprintf("the target's encoding %s cannot hold all that the source's %s can", to, from)
		f.SQL = recreateSQL(r.dst, from, r.src.Collate, r.src.Ctype)
	}
	r.add(f)
	return nil
}

// recreateSQL makes the side's database anew; it runs in another database of that server.
func recreateSQL(s *side, encoding, collate, ctype string) string {
	return lines(
		"-- in another database, as a superuser; the database is lost with all that is in it",
		"DROP DATABASE "+s.database(),
		fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 ENCODING %s LC_COLLATE %s LC_CTYPE %s",
			s.database(), pg.Literal(encoding), pg.Literal(collate), pg.Literal(ctype)))
}

// collation: another sort order does not harm rows, since indexes are built anew on the target, but
// the application sees it; and on the source it means that indexes may be wrong today.
func (r *run) collation(ctx context.Context) error {
	var locale [2]string
	for i, s := range r.sides() {
		db, err := schema.DatabaseFacts(ctx, s.conn)
		if err != nil {
			return s.failed(err)
		}
		locale[i] = strings.Join(strings.Fields(fmt.Sprint(db.Provider, " ", db.Collate, " ", db.CType, " ", db.Locale, " ", db.CollationVersion)), " ")
	}
	if locale[0] == locale[1] {
		r.ok("collation", Both, "collation", "%s on both sides", locale[0])
		return nil
	}
	r.note("collation", Both, "collation", "source %s, target %s: text sorts differently, indexes are built anew on the target", locale[0], locale[1])
	return nil
}

func (r *run) collationVersions(ctx context.Context) error {
	for _, s := range r.sides() {
		if err := r.collationVersion(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// collationVersion compares the versions that indexes were built with with those of the machine's
// libraries today.
func (r *run) collationVersion(ctx context.Context, s *side) error {
	sql := `SELECT n.nspname || '.' || c.collname, format('ALTER COLLATION %I.%I REFRESH VERSION', n.nspname, c.collname)
		FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
		WHERE c.collversion <> pg_collation_actual_version(c.oid) AND EXISTS (SELECT FROM pg_depend d
			WHERE d.refclassid = 'pg_collation'::regclass AND d.refobjid = c.oid)`
	if s.major() >= 15 {
		sql += ` UNION ALL SELECT 'the database', format('ALTER DATABASE %I REFRESH COLLATION VERSION', datname) FROM pg_database
			WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid)`
	}
	rows, err := s.query(ctx, sql)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		r.ok("collation-version", s.name, "collation versions", "as when they were made")
		return nil
	}
	names := column(rows, 0)
	r.add(Finding{ID: "collation-version", Level: Note, Side: s.name, Subject: "collation versions", Names: names,
		Text: "the machine's library sorts by another version than indexes were built with: " + few(names),
		SQL:  lines(append([]string{"REINDEX DATABASE " + s.database()}, column(rows, 1)...)...),
		Hint: "such indexes may miss rows; the copy does not depend on them, but the application does"})
	return nil
}
