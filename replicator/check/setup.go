package check

import (
	"fmt"
	"strings"

	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// The roles that the engine logs in with, where no other are named.
const (
	DefaultSourceRole = "replicator_source"
	DefaultTargetRole = "replicator_target"
)

// SetupOptions say for what the SQL is printed. A DSN is only read from, as any role that may see
// the catalog; without one the SQL is general.
type SetupOptions struct {
	DSN         string // of the side that the SQL is for; may be empty
	SourceDSN   string // for the target: whose objects will come; may be empty
	Role        string // "" is the side's default
	Publication string // "" derives it from the database's name, as seed does
	NoKey       string // "late" ("" too) or "full"

	LargeObjects string // "yes", "no" or "auto" ("" too)
	DDL          string // "replicate" for the event triggers on the source; "stop" ("" too)

	Select    schema.Selection
	Passwords bool // of roles: print them, scrambled
}

// script is SQL for psql -f, in paragraphs. Everything may be run again.
type script struct{ b strings.Builder }

// part begins a paragraph.
func (s *script) part(why string) {
	if s.b.Len() > 0 {
		s.b.WriteByte('\n')
	}
	for line := range strings.SplitSeq(why, "\n") {
		fmt.Fprintf(&s.b, "-- %s\n", line)
	}
}

// add writes statements, each on its own line.
func (s *script) add(statements ...string) {
	if len(statements) > 0 {
		s.b.WriteString(lines(statements...) + "\n")
	}
}

// comment writes what somebody may choose to run, or must write elsewhere.
func (s *script) comment(text ...string) {
	for _, line := range text {
		s.b.WriteString("--   " + line + "\n")
	}
}

// block runs statements in PL/pgSQL, which knows IF.
func block(body string) string {
	tag := "$do$"
	for i := 1; strings.Contains(body, tag); i++ {
		tag = fmt.Sprintf("$do%d$", i)
	}
	return "DO " + tag + "\nBEGIN\n" + body + "END " + tag
}

// createRole makes a role that may exist.
func createRole(role, attributes string) string {
	return fmt.Sprintf("    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %s) THEN\n        CREATE ROLE %s%s;\n    END IF;\n",
		pg.Literal(role), pg.Ident(role), attributes)
}

// onDatabase grants on a named database, or on the one that psql is connected to.
func onDatabase(database, rights, role string) string {
	if database != "" {
		return fmt.Sprintf("GRANT %s ON DATABASE %s TO %s", rights, pg.Ident(database), pg.Ident(role))
	}
	return block(fmt.Sprintf("    EXECUTE format('GRANT %s ON DATABASE %%I TO %%I', current_database(), %s);\n", rights, pg.Literal(role)))
}

// login makes the role of a side and keeps values out of the log that its sessions write.
func (s *script) login(role, attributes string) {
	s.part("The role. Give it a password with \"\\password\" in psql, or a certificate: neither is printed here.")
	s.add(block(createRole(role, " LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE"+attributes)),
		fmt.Sprintf("ALTER ROLE %s LOGIN%s", pg.Ident(role), attributes))
	s.part("Its statements and their errors would carry row values into the server's log.")
	for _, q := range quietLog {
		s.add(fmt.Sprintf("ALTER ROLE %s SET %s = %s", pg.Ident(role), q.name, pg.Literal(q.quiet)))
	}
}
