package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// sessionSettings: our sessions set what they rely on; here is what they cannot set, and what
// would put values into the servers' logs.
func (r *run) sessionSettings(ctx context.Context) error {
	for _, s := range r.sides() {
		if err := r.roleSettings(ctx, s); err != nil {
			return err
		}
		r.logging(s)
	}
	return nil
}

// databaseSettings: pg_dump leaves out what ALTER DATABASE and ALTER ROLE IN DATABASE have set and what
// is granted on the database, and the application counts on it. What our role may set moves along.
func (r *run) databaseSettings(ctx context.Context) error {
	if err := r.sites(ctx); err != nil {
		return err
	}
	names, sql := schema.DatabaseSQL(r.src.site, r.dst.site)
	if len(names) > 0 {
		r.add(Finding{ID: "database-settings", Level: Note, Side: Target, Subject: "database settings", Names: names,
			Text: "set for the source's database and not, or otherwise, for the target's; our role may not carry them: " + few(names), SQL: lines(sql...)})
	}
	return nil
}

// biting are settings that change what a session of ours does, and that we do not pin: a role that
// is put on at login, a bound on temporary files that sorts of an index run into.
var biting = []string{"role", "temp_file_limit", "session_replication_role", "default_table_access_method", "default_tablespace"}

func (r *run) roleSettings(ctx context.Context, s *side) error {
	rows, err := s.query(ctx, `SELECT split_part(c, '=', 1), setdatabase <> 0, setrole <> 0 FROM pg_db_role_setting, unnest(setconfig) AS c
		WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
			AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))`)
	if err != nil {
		return err
	}
	var names, sql []string
	for _, row := range rows {
		if !slices.Contains(biting, row[0]) {
			continue
		}
		names = append(names, row[0])
		sql = append(sql, resetSQL(s, row[0], row[1] == "t", row[2] == "t"))
	}
	if len(names) == 0 {
		r.ok("settings", s.name, "settings", "role and database set nothing that our sessions cannot live with")
		return nil
	}
	r.add(Finding{ID: "settings", Level: Note, Side: s.name, Subject: "settings", Names: names,
		Text: "set for the role or the database, they change what our sessions do: " + strings.Join(names, ", "), SQL: lines(sql...)})
	return nil
}

func resetSQL(s *side, setting string, inDatabase, ofRole bool) string {
	who := "DATABASE " + s.database()
	switch {
	case ofRole && inDatabase:
		who = "ROLE " + pg.Ident(s.sessionUser) + " IN DATABASE " + s.database()
	case ofRole:
		who = "ROLE " + pg.Ident(s.sessionUser)
	case !inDatabase:
		who = "ROLE ALL"
	}
	return fmt.Sprintf("ALTER %s RESET %s", who, setting)
}

// quietLog keeps values out of the server's log, for one role.
var quietLog = []struct{ name, quiet string }{
	{"log_statement", "none"},
	{"log_min_duration_statement", "-1"},
	{"log_error_verbosity", "terse"},
	{"log_min_error_statement", "panic"},
}

// logging: statements carry values, and so do the details of errors.
func (r *run) logging(s *side) {
	loud := s.settings["log_statement"] == "all" || s.settings["log_statement"] == "mod" ||
		s.settings["log_min_duration_statement"] != "-1"
	if !loud {
		r.ok("log-values", s.name, "server log", "statements are not logged")
		return
	}
	var sql []string
	for _, q := range quietLog {
		sql = append(sql, fmt.Sprintf("ALTER ROLE %s SET %s = %s", s.role(), q.name, pg.Literal(q.quiet)))
	}
	r.add(Finding{ID: "log-values", Level: Note, Side: s.name, Subject: "server log",
		Text: "statements are logged there, and with them the values that we write or compare", SQL: lines(sql...),
		Hint: "as a superuser"})
}
