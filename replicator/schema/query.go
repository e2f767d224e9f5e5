package schema

import (
	"context"
	"strconv"
	"strings"

	"replicator/replicator/pg"
)

// usersPath is the search path that the role would have in this database without our pinning it:
// what a pattern without a schema means. A path set in the server's configuration file is not seen.
const usersPath = `SELECT COALESCE((
	SELECT substr(cfg, length('search_path=') + 1)
	FROM pg_db_role_setting, unnest(setconfig) cfg
	WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
		AND setrole IN (0, (SELECT oid FROM pg_roles WHERE rolname = session_user))
		AND cfg LIKE 'search\_path=%'
	ORDER BY setrole = 0, setdatabase = 0 LIMIT 1), '"$user", public')`

// atUsersPath runs a query under the user's search path and goes back to the pinned one.
func atUsersPath(ctx context.Context, conn *pg.Conn, sql string) (rows [][]string, err error) {
	path, err := conn.Value(ctx, usersPath)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Query(ctx, `SELECT set_config('search_path', $1, false)`, path); err != nil {
		return nil, err
	}
	defer func() {
		if back := conn.Exec(ctx, `RESET search_path`); err == nil {
			err = back
		}
	}()
	return conn.Query(ctx, sql)
}

// oidArray is the first column of rows as an array literal.
func oidArray(rows [][]string) string {
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = r[0]
	}
	return "{" + strings.Join(list, ",") + "}"
}

func oid(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32) // the server sends nothing else
	return uint32(n)
}

func integer(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
