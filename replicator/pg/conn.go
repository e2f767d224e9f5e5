package pg

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Config says how to open a session.
type Config struct {
	DSN  string
	Name string // application_name; no values, it is seen in pg_stat_activity
	// Settings are pinned on top of the common ones, for this session only.
	Settings map[string]string
	// Replication opens a walsender session on the database.
	Replication bool
}

// pinned is what every session relies on, whatever the role or the database has set:
// one spelling of every value, no timeouts, writes allowed, nothing found through search_path,
// and rows hidden by policies are an error and not silently absent.
var pinned = map[string]string{
	"client_encoding":                     "UTF8",
	"DateStyle":                           "ISO, MDY",
	"IntervalStyle":                       "postgres",
	"TimeZone":                            "UTC",
	"bytea_output":                        "hex",
	"extra_float_digits":                  "3",
	"xmloption":                           "content",
	"standard_conforming_strings":         "on",
	"quote_all_identifiers":               "off",
	"array_nulls":                         "on",
	"transform_null_equals":               "off",
	"row_security":                        "off",
	"search_path":                         "pg_catalog",
	"statement_timeout":                   "0",
	"lock_timeout":                        "0",
	"idle_in_transaction_session_timeout": "0",
	"default_transaction_read_only":       "off",
	"default_transaction_isolation":       "read committed",
	"default_transaction_deferrable":      "off",
	"synchronous_commit":                  "on",
	// A server must notice within seconds that a killed engine is gone, also over a dead link.
	"tcp_keepalives_idle":     "10",
	"tcp_keepalives_interval": "5",
	"tcp_keepalives_count":    "3",
}

// connectTimeout bounds one attempt: a host that swallows packets must not hang a command.
const connectTimeout = 20 * time.Second

// Conn is a session with pinned settings. It belongs to one goroutine at a time.
type Conn struct {
	raw *pgconn.PgConn
}

// Connect opens a session. Errors are clean and say which step failed; the caller adds which side.
func Connect(ctx context.Context, cfg Config) (*Conn, error) {
	pc, err := ParseDSN(cfg.DSN)
	if err != nil {
		return nil, err
	}
	if pc.ConnectTimeout == 0 {
		pc.ConnectTimeout = connectTimeout
	}
	if pc.RuntimeParams == nil {
		pc.RuntimeParams = map[string]string{}
	}
	for k, v := range pinned {
		pc.RuntimeParams[k] = v
	}
	for k, v := range cfg.Settings {
		pc.RuntimeParams[k] = v
	}
	if cfg.Name != "" {
		pc.RuntimeParams["application_name"] = cfg.Name
	}
	if cfg.Replication {
		pc.RuntimeParams["replication"] = "database"
	}
	raw, err := pgconn.ConnectConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", cleanConnect(err))
	}
	c := &Conn{raw: raw}
	if err := c.settle(ctx, cfg.Replication); err != nil {
		raw.Close(ctx)
		return nil, err
	}
	return c, nil
}

// settle pins what only some versions know and a start-up packet would be refused for.
func (c *Conn) settle(ctx context.Context, replication bool) error {
	if replication {
		return nil
	}
	return c.Exec(ctx, `SELECT pg_catalog.set_config(name, v, false)
		FROM (VALUES ('transaction_timeout', '0'), ('client_connection_check_interval', '5s'),
			('idle_session_timeout', '0'), ('default_transaction_read_only', 'off')) AS want(n, v)
		JOIN pg_catalog.pg_settings s ON s.name = want.n`)
}

// Raw is the connection beneath, for COPY, pipelines and the replication protocol.
// Pass the errors of what is done with it through [Conn.Clean].
func (c *Conn) Raw() *pgconn.PgConn { return c.raw }

// aliveWait bounds the question to a server that may be gone.
const aliveWait = 5 * time.Second

// Alive asks the server whether the session, which must be idle, still is; a restart ends it silently.
func (c *Conn) Alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, aliveWait)
	defer cancel()
	return !c.raw.IsClosed() && c.raw.Ping(ctx) == nil
}

// Close ends the session; it never blocks longer than a second.
func (c *Conn) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return c.raw.Close(ctx)
}

// Exec runs one or several statements without parameters by the simple protocol.
func (c *Conn) Exec(ctx context.Context, sql string) error {
	_, err := c.raw.Exec(ctx, sql).ReadAll()
	return c.Clean(err)
}

// Last runs several statements without parameters in one message and returns the rows of the last one.
func (c *Conn) Last(ctx context.Context, sql string) ([][]string, error) {
	results, err := c.raw.Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, c.Clean(err)
	}
	return texts(results[len(results)-1].Rows), nil
}

// Query runs one statement with text parameters and returns all rows as text; NULL is "".
// It is for catalogs and small answers; data goes through COPY.
func (c *Conn) Query(ctx context.Context, sql string, args ...string) ([][]string, error) {
	params := make([][]byte, len(args))
	for i, a := range args {
		params[i] = []byte(a)
	}
	res := c.raw.ExecParams(ctx, sql, params, nil, nil, nil).Read()
	if res.Err != nil {
		return nil, c.Clean(res.Err)
	}
	return texts(res.Rows), nil
}

func texts(raw [][][]byte) [][]string {
	rows := make([][]string, len(raw))
	for i, r := range raw {
		rows[i] = make([]string, len(r))
		for j, v := range r {
			rows[i][j] = string(v)
		}
	}
	return rows
}

// Row is Query for exactly one row.
func (c *Conn) Row(ctx context.Context, sql string, args ...string) ([]string, error) {
	rows, err := c.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("want one row, have %d", len(rows))
	}
	return rows[0], nil
}

// Value is Query for exactly one row of one column.
func (c *Conn) Value(ctx context.Context, sql string, args ...string) (string, error) {
	row, err := c.Row(ctx, sql, args...)
	if err != nil {
		return "", err
	}
	if len(row) != 1 {
		return "", fmt.Errorf("want one column, have %d", len(row))
	}
	return row[0], nil
}

// CopyTo runs a COPY ... TO STDOUT into w and returns the number of rows.
func (c *Conn) CopyTo(ctx context.Context, w io.Writer, sql string) (int64, error) {
	tag, err := c.raw.CopyTo(ctx, w, sql)
	return tag.RowsAffected(), c.Clean(err)
}

// CopyFrom runs a COPY ... FROM STDIN out of r and returns the number of rows. When r fails the
// COPY is failed on the server and r's error returned.
func (c *Conn) CopyFrom(ctx context.Context, r io.Reader, sql string) (int64, error) {
	er := &errReader{r: r}
	tag, err := c.raw.CopyFrom(ctx, er, sql)
	if er.err != nil && er.err != io.EOF {
		return 0, er.err
	}
	return tag.RowsAffected(), c.Clean(err)
}

// errReader remembers why its reader failed; pgconn only tells the server.
type errReader struct {
	r   io.Reader
	err error
}

func (e *errReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.err = err
	if err != nil && err != io.EOF {
		// The text goes to the server and into its log: no detail.
		return n, errAborted
	}
	return n, err
}

var errAborted = fmt.Errorf("aborted by the client")

// Clean is [Clean] for errors of what was done with Raw; a connection that broke is [Lost] whatever
// it says.
func (c *Conn) Clean(err error) error {
	if err == nil {
		return nil
	}
	if State(err) == "" && c.raw.IsClosed() && !Lost(err) {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return Clean(err)
}
