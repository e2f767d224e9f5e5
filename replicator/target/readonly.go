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

// setReadOnly sets it, "" takes it away. Where our role may not, it returns what somebody must run who may.
func setReadOnly(ctx context.Context, c *pg.Conn, value string) (sql string, err error) {
	row, err := c.Row(ctx, `SELECT quote_ident(datname), pg_has_role(datdba, 'USAGE'), EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
			WHERE n.nspname || '.' || p.proname = $1 AND p.pronargs = 1
				AND has_schema_privilege(n.oid, 'USAGE') AND has_function_privilege(p.oid, 'EXECUTE'))
		FROM pg_database WHERE datname = current_database()`, GuardFunction)
	if err != nil {
		return "", err
	}
	sql = "ALTER DATABASE " + row[0] + " RESET default_transaction_read_only"
	if value != "" {
		sql = "ALTER DATABASE " + row[0] + " SET default_transaction_read_only = " + pg.Literal(value)
	}
	switch {
	case row[1] == "t":
		return "", c.Exec(ctx, sql)
	case row[2] == "t":
		_, err = c.Query(ctx, "SELECT "+GuardFunction+"(nullif($1, ''))", value)
		return "", err
	}
	return sql, nil
}
