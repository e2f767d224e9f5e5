package schema

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// Site is what decides on the target's side what can be carried. The target end reads it, wherever
// that is, and the source's end holds the source against it.
type Site struct {
	Database   Database          `json:"database"`
	Role       string            `json:"role"`             // ours
	Superuser  bool              `json:"superuser"`        // it is
	Owner      bool              `json:"owner"`            // it has the rights of the database's owner
	Public     *Public           `json:"public,omitempty"` // nil: there is none
	Settings   []Setting         `json:"settings,omitempty"`
	Collations map[string]string `json:"collations,omitempty"` // versions that the server finds now, by name
	Extensions map[string]string `json:"extensions,omitempty"` // versions that are installed, by name
	Roles      map[string]Role   `json:"roles"`
}

// Public is what people may do in schema public, which initdb makes and whose owner is another role.
type Public struct {
	Comment string  `json:"comment,omitempty"`
	Rights  []Right `json:"rights,omitempty"` // of others than its owner
	Ours    bool    `json:"ours"`             // our role has the rights of its owner
}

// Setting is a setting of the database, or of a role in it. Value is SQL. It may hold secrets.
type Setting struct {
	Role   string `json:"role,omitempty"` // "" for all
	Name   string `json:"name"`
	Value  string `json:"value"`
	Mighty bool   `json:"mighty,omitempty"` // only a superuser may set it
}

// ReadSite reads what conn's database and server are; known are its server's libraries, or nil.
func ReadSite(ctx context.Context, conn *pg.Conn, known *Libraries) (*Site, error) {
	s := &Site{}
	var err error
	if s.Database, err = DatabaseFacts(ctx, conn); err != nil {
		return nil, err
	}
	row, err := conn.Row(ctx, `SELECT r.rolname, r.rolsuper, pg_has_role(d.datdba, 'USAGE')
		FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()`)
	if err != nil {
		return nil, fmt.Errorf("read our role: %w", err)
	}
	s.Role, s.Superuser, s.Owner = row[0], row[1] == "t", row[2] == "t"
	if s.Public, err = readPublic(ctx, conn); err != nil {
		return nil, err
	}
	if s.Settings, err = ReadSettings(ctx, conn); err != nil {
		return nil, err
	}
	if s.Collations, err = known.read(ctx, conn); err != nil {
		return nil, fmt.Errorf("list collations: %w", err)
	}
	if s.Extensions, err = pairs(ctx, conn, `SELECT extname, extversion FROM pg_extension`); err != nil {
		return nil, fmt.Errorf("list extensions: %w", err)
	}
	s.Roles, err = ReadRoles(ctx, conn)
	return s, err
}

func readPublic(ctx context.Context, conn *pg.Conn) (*Public, error) {
	rows, err := conn.Query(ctx, `SELECT COALESCE(obj_description(oid, 'pg_namespace'), ''), pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'public'`)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	p := &Public{Comment: rows[0][0], Ours: rows[0][1] == "t"}
	rights, err := conn.Query(ctx, `SELECT COALESCE(r.rolname, ''), a.privilege_type, a.is_grantable
		FROM pg_namespace n CROSS JOIN aclexplode(COALESCE(n.nspacl, acldefault('n', n.nspowner))) AS a LEFT JOIN pg_roles r ON r.oid = a.grantee
		WHERE n.nspname = 'public' AND a.grantee <> n.nspowner ORDER BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("read rights on schema public: %w", err)
	}
	for _, r := range rights {
		p.Rights = append(p.Rights, Right{Grantee: r[0], Privilege: r[1], Grantable: r[2] == "t"})
	}
	return p, nil
}

// ReadSettings reads what ALTER DATABASE ... SET and ALTER ROLE ... IN DATABASE ... SET have set in this
// database. Lists are kept as they must be written, everything else needs quotes.
func ReadSettings(ctx context.Context, conn *pg.Conn) ([]Setting, error) {
	rows, err := conn.Query(ctx, settingsOf+` WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("read settings of the database: %w", err)
	}
	list := make([]Setting, len(rows))
	for i, r := range rows {
		list[i] = Setting{Role: r[0], Name: r[1], Value: r[2], Mighty: r[3] == "t"}
	}
	return list, nil
}

const settingsOf = `SELECT COALESCE(r.rolname, ''), split_part(c, '=', 1), CASE WHEN split_part(c, '=', 1) IN ('search_path', 'temp_tablespaces',
		'session_preload_libraries', 'local_preload_libraries') THEN substr(c, strpos(c, '=') + 1) ELSE quote_literal(substr(c, strpos(c, '=') + 1)) END,
		COALESCE((SELECT context IN ('superuser', 'superuser-backend') FROM pg_settings g WHERE g.name = split_part(c, '=', 1)), false)
	FROM pg_db_role_setting s CROSS JOIN unnest(setconfig) AS c LEFT JOIN pg_roles r ON r.oid = s.setrole`

// pairs is a query of two columns as a map.
func pairs(ctx context.Context, conn *pg.Conn, sql string) (map[string]string, error) {
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	m := make(map[string]string, len(rows))
	for _, r := range rows {
		m[r[0]] = r[1]
	}
	return m, nil
}
