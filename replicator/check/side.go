package check

import (
	"context"
	"fmt"
	"strconv"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// Server is one side as the report shows it.
type Server struct {
	Version   int    `json:"version"` // server_version_num
	Release   string `json:"release"` // as people write it, 15.18
	Database  string `json:"database"`
	Role      string `json:"role"`
	Superuser bool   `json:"superuser"`
	Encoding  string `json:"encoding"`
	Collate   string `json:"collate"`
	Ctype     string `json:"ctype"`
	Bytes     int64  `json:"bytes,omitempty"` // of the selected tables and their indexes
}

// major is 15 for 15.18.
func (s *Server) major() int { return s.Version / 10000 }

// side is a session on one side and what every check wants to know of it.
type side struct {
	Server
	name        Side
	conn        *pg.Conn
	settings    map[string]string // pg_settings, as this session has them
	replication bool              // rolreplication
	bypassRLS   bool
	recovery    bool   // a standby
	started     string // of the server
	databaseOID string
	pid         string // of the backend, as SQL shows it
	sessionUser string // who logged in, before any role was put on
	roleLimit   int    // of connections, -1 none
	dbLimit     int
	site        *schema.Site // once it is asked for
}

// lockTimeout bounds every wait for a lock: catalog functions lock what they look at.
const lockTimeout = "2s"

// connect opens a session that cannot write and reads the side's facts.
func connect(ctx context.Context, name Side, dsn string) (*side, error) {
	if _, err := pg.ParseDSN(dsn); err != nil {
		return nil, fault.New(fault.Usage, fmt.Errorf("%s: %w", name, err), "")
	}
	conn, err := session(ctx, dsn)
	if err != nil {
		return nil, unreachable(name, err)
	}
	s := &side{name: name, conn: conn}
	if err := s.load(ctx); err != nil {
		conn.Close()
		return nil, unreachable(name, err)
	}
	return s, nil
}

func session(ctx context.Context, dsn string) (*pg.Conn, error) {
	conn, err := pg.Connect(ctx, pg.Config{DSN: dsn, Name: "replicator check",
		Settings: map[string]string{"lock_timeout": lockTimeout, "jit": "off"}})
	if err != nil {
		return nil, err
	}
	if err := conn.Exec(ctx, "SET default_transaction_read_only = on"); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func unreachable(name Side, err error) error {
	code := fault.Source
	if name == Target {
		code = fault.Target
	}
	return fault.New(code, fmt.Errorf("%s: %w", name, err),
		"check its address, role and pg_hba.conf; go around a connection pooler")
}

func (s *side) load(ctx context.Context) error {
	row, err := s.conn.Row(ctx, `SELECT current_setting('server_version_num'), current_setting('server_version'),
			current_database(), current_user, r.rolsuper, pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
			r.rolreplication, r.rolbypassrls, pg_is_in_recovery(), pg_postmaster_start_time(), d.oid,
			pg_backend_pid(), r.rolconnlimit, d.datconnlimit, session_user
		FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user`)
	if err != nil {
		return fmt.Errorf("read server: %w", err)
	}
	s.Version = number(row[0])
	s.Release, s.Database, s.Role, s.Superuser = release(row[1]), row[2], row[3], row[4] == "t"
	s.Encoding, s.Collate, s.Ctype = row[5], row[6], row[7]
	s.replication, s.bypassRLS, s.recovery = row[8] == "t", row[9] == "t", row[10] == "t"
	s.started, s.databaseOID, s.pid = row[11], row[12], row[13]
	s.roleLimit, s.dbLimit, s.sessionUser = number(row[14]), number(row[15]), row[16]

	rows, err := s.conn.Query(ctx, "SELECT name, setting FROM pg_settings")
	if err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	s.settings = make(map[string]string, len(rows))
	for _, r := range rows {
		s.settings[r[0]] = r[1]
	}
	return nil
}

// query asks the side; an error carries the side's code.
func (s *side) query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	rows, err := s.conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, s.failed(err)
	}
	return rows, nil
}

// value is query for one value.
func (s *side) value(ctx context.Context, sql string, args ...string) (string, error) {
	v, err := s.conn.Value(ctx, sql, args...)
	if err != nil {
		return "", s.failed(err)
	}
	return v, nil
}

func (s *side) failed(err error) error {
	code := fault.Source
	if s.name == Target {
		code = fault.Target
	}
	return fault.New(code, fmt.Errorf("%s: %w", s.name, err), "")
}

// database is the quoted name of the database.
func (s *side) database() string { return pg.Ident(s.Database) }

// seesAll reports whether row security hides nothing from the role.
func (s *side) seesAll() bool { return s.Superuser || s.bypassRLS }

// role is the quoted name of the role.
func (s *side) role() string { return pg.Ident(s.Role) }

// release cuts the packager's words off a version: "15.18 (Debian 15.18-0)".
func release(v string) string {
	for i, c := range v {
		if c == ' ' {
			return v[:i]
		}
	}
	return v
}

// number reads what the server printed as a number; nothing else comes here.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func bigNumber(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

// column is one column of rows.
func column(rows [][]string, i int) []string {
	list := make([]string, len(rows))
	for j, r := range rows {
		list[j] = r[i]
	}
	return list
}
