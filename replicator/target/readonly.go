package target

import (
	"context"

	"replicator/replicator/pg"
)

// GuardFunction is what `replicator sql target-setup` makes: only a database's owner may change its
// settings, and our role need not be that.
const GuardFunction = "replicator_setup.guard"

// readOnly is what the database has set, "" where it has not.
func readOnly(ctx context.Context, c *pg.Conn) (string, error) {
	rows, err := c.Query(ctx, `SELECT split_part(s, '=', 2) FROM pg_db_role_setting, unnest(setconfig) s
		WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND setrole = 0
			AND starts_with(s, 'default_transaction_read_only=')`)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0][0], nil
}

// setter is how our role may change that.
type setter struct {
	database string // quoted
	owner    bool
	function bool // GuardFunction is there for us
}

func newSetter(ctx context.Context, c *pg.Conn) (setter, error) {
	row, err := c.Row(ctx, `SELECT quote_ident(datname), pg_has_role(datdba, 'USAGE'), EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
			WHERE n.nspname || '.' || p.proname = $1 AND p.pronargs = 1
				AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE'))
		FROM pg_database WHERE datname = current_database()`, GuardFunction)
	if err != nil {
		return setter{}, err
	}
	return setter{row[0], row[1] == "t", row[2] == "t"}, nil
}

func (s setter) may() bool { return s.owner || s.function }

// set sets it, "" takes it away.
func (s setter) set(ctx context.Context, c *pg.Conn, value string) error {
	if s.owner {
		return c.Exec(ctx, s.sql(value))
	}
	_, err := c.Query(ctx, "SELECT "+GuardFunction+"(nullif($1, ''))", value)
	return err
}

// sql is what the owner runs to the same end.
func (s setter) sql(value string) string {
	if value == "" {
		return "ALTER DATABASE " + s.database + " RESET default_transaction_read_only"
	}
	return "ALTER DATABASE " + s.database + " SET default_transaction_read_only = " + pg.Literal(value)
}
