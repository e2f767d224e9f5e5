package source

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/slot"
)

// LockTimeout bounds every wait for a lock on the source.
const LockTimeout = 2 * time.Second

// Database is the source database.
type Database struct {
	DSN string
	Job string // in application_name, so that a successor and a DBA know our sessions

	// What the job was begun with; zero: not known yet, and not looked at.
	Database string
	System   slot.System
}

// Connect opens a session; purpose is shown in pg_stat_activity. It refuses a server that is not the
// one that the job was begun with: behind an address there may be another since, and what is read
// there must not be mixed with what was read before. No lock is waited for longer than LockTimeout.
func (d *Database) Connect(ctx context.Context, purpose string) (*pg.Conn, error) {
	c, err := d.ConnectAny(ctx, purpose)
	if err != nil || d.System.ID == "" {
		return c, err
	}
	if err := d.recognise(ctx, c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// ConnectAny opens a session on whatever server is there, to clear up.
func (d *Database) ConnectAny(ctx context.Context, purpose string) (*pg.Conn, error) {
	return d.open(ctx, pg.Config{DSN: d.DSN, Name: d.Name() + purpose,
		Settings: map[string]string{"jit": "off", "lock_timeout": strconv.FormatInt(LockTimeout.Milliseconds(), 10)}})
}

// ConnectReplication opens a walsender session.
func (d *Database) ConnectReplication(ctx context.Context) (*pg.Conn, error) {
	return d.open(ctx, pg.Config{DSN: d.DSN, Name: d.Name() + "stream", Replication: true})
}

// Name is the prefix of application_name of all sessions of the job.
func (d *Database) Name() string { return "replicator/" + d.Job + "/" }

func (d *Database) open(ctx context.Context, cfg pg.Config) (*pg.Conn, error) {
	c, err := pg.Connect(ctx, cfg)
	if err != nil {
		return nil, fault.New(fault.Source, fmt.Errorf("source: %w", err), "check the source's address, role and pg_hba.conf")
	}
	return c, nil
}

// endWait is how long a session that was told to end may take, in milliseconds.
const endWait = 10_000

// EndStale ends the sessions that an earlier engine of the job left behind: killed in the middle of a
// statement, its server process goes on until it has an answer to give. Only the engine that holds
// the job on the target may call it.
func (d *Database) EndStale(ctx context.Context) error {
	conn, err := d.Connect(ctx, "take over")
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Query(ctx, fmt.Sprintf(`SELECT pg_terminate_backend(pid, %d) FROM pg_stat_activity
		WHERE starts_with(application_name, $1) AND pid <> pg_backend_pid() AND usename = current_user`, endWait), d.Name())
	if err != nil {
		return fmt.Errorf("end the sessions of an earlier engine on the source: %w", err)
	}
	return nil
}

// MarkerPrefix is the prefix of our logical messages that mean something to apply.
const MarkerPrefix = "replicator"

// Mark writes a marker into the WAL, flushed, and returns an LSN that lies before its commit.
// Everything that committed before Mark was called comes before the marker in the stream.
func Mark(ctx context.Context, conn *pg.Conn, content string) (wal.LSN, error) {
	v, err := conn.Value(ctx, "SELECT pg_logical_emit_message(true, $1, $2)", MarkerPrefix, content)
	if err != nil {
		return 0, fmt.Errorf("write marker: %w", err)
	}
	return wal.ParseLSN(v)
}

// SearchPath is what functions of the database were written against: the search_path that a
// session has when nobody sets one.
func (d *Database) SearchPath(ctx context.Context) (string, error) {
	conn, err := d.Connect(ctx, "look")
	if err != nil {
		return "", err
	}
	defer conn.Close()
	rows, err := conn.Query(ctx, `SELECT substr(s, length('search_path=') + 1)
		FROM pg_db_role_setting, unnest(setconfig) s, pg_database d
		WHERE setdatabase = d.oid AND setrole = 0 AND datname = current_database() AND s LIKE 'search_path=%'`)
	if err != nil {
		return "", fmt.Errorf("read search_path: %w", err)
	}
	if len(rows) == 1 {
		return rows[0][0], nil
	}
	return conn.Value(ctx, "SELECT boot_val FROM pg_settings WHERE name = 'search_path'")
}
