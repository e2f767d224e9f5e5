package check

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"

	"replicator/replicator/pg"
)

// sameDatabase: a clone made by a base backup has the source's system identifier, so the start of
// the server tells apart two servers and the identifier is only asked for where the start agrees.
func (r *run) sameDatabase(ctx context.Context) error {
	if r.src.started != r.dst.started || r.src.databaseOID != r.dst.databaseOID || r.src.Database != r.dst.Database {
		r.ok("same-database", Both, "two databases", "source and target are not the same database")
		return nil
	}
	var ids [2]string
	for i, s := range r.sides() {
		id, err := s.value(ctx, "SELECT system_identifier FROM pg_control_system()")
		if err != nil && pg.State(err) != "42501" {
			return err
		}
		ids[i] = id
	}
	if ids[0] == ids[1] {
		r.add(Finding{ID: "same-database", Level: Must, Side: Both, Subject: "two databases",
			Text: "source and target are the same database", Hint: "look at --source and --target"})
	}
	return nil
}

// sessionsBeyondJobs is what seed opens on a side beside a session a job: plan, keeper, lock, status,
// stream, indexes, two for large objects.
const sessionsBeyondJobs = 8

// sessions: room for ours, nothing in between, and nobody listening.
func (r *run) sessions(ctx context.Context) error {
	for _, s := range r.sides() {
		if err := r.room(ctx, s); err != nil {
			return err
		}
		r.pooler(s)
		r.encrypted(s)
	}
	return nil
}

func (r *run) room(ctx context.Context, s *side) error {
	rows, err := s.query(ctx, `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
			- COALESCE(current_setting('reserved_connections', true), '0')::int
			- (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL),
		(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
		(SELECT count(*) FROM pg_stat_activity WHERE usename = current_user)`)
	if err != nil {
		return err
	}
	need := r.o.Jobs + sessionsBeyondJobs
	free, inDatabase, ofRole := number(rows[0][0]), number(rows[0][1]), number(rows[0][2])
	f := Finding{ID: "connections", Level: Must, Side: s.name, Subject: "connections"}
	switch {
	case free < need:
		f.Text = fmt.Sprintf("%d connections are free, %d are needed", max(free, 0), need)
		f.SQL = lines(fmt.Sprintf("ALTER SYSTEM SET max_connections = %d", number(s.settings["max_connections"])+need-free), restart)
	case !s.Superuser && s.roleLimit >= 0 && s.roleLimit < need+ofRole-1:
		f.Text = fmt.Sprintf("role %s may open %d connections, %d are needed", s.Role, s.roleLimit, need)
		f.SQL = lines(fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT -1", s.role()))
	case !s.Superuser && s.dbLimit >= 0 && s.dbLimit-inDatabase+1 < need:
		f.Text = fmt.Sprintf("the database has a limit of %d connections, %d are needed", s.dbLimit, need)
		f.SQL = lines(fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT %d", s.database(), inDatabase+need))
	default:
		f.Level, f.Text = OK, fmt.Sprintf("%d free", free)
	}
	r.add(f)
	return nil
}

// restart reminds of what ALTER SYSTEM alone does not do.
const restart = "-- then restart the server"

// pooler: what a pooler gives out as the backend's process is its own invention.
func (r *run) pooler(s *side) {
	if fmt.Sprint(s.conn.Raw().PID()) == s.pid {
		return
	}
	r.add(Finding{ID: "pooler", Level: Must, Side: s.name, Subject: "direct connection",
		Text: "a connection pooler stands in between: session settings and replication do not pass it reliably",
		Hint: "give the address of the server itself"})
}

func (r *run) encrypted(s *side) {
	c := s.conn.Raw().Conn()
	_, encrypted := c.(*tls.Conn)
	switch {
	case encrypted:
		r.ok("tls", s.name, "TLS", "the connection is encrypted")
	case isLocal(c.RemoteAddr()):
		r.ok("tls", s.name, "TLS", "the connection does not leave this machine")
	default:
		r.add(Finding{ID: "tls", Level: Note, Side: s.name, Subject: "TLS",
			Text: "the connection leaves this machine and is not encrypted", Hint: "add sslmode=verify-full to the DSN"})
	}
}

func isLocal(a net.Addr) bool {
	if a.Network() == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(a.String())
	return err == nil && net.ParseIP(host).IsLoopback()
}

// replicationConnection opens a walsender session: the role's attribute, pg_hba.conf and poolers all
// have a say in that, and only trying tells.
func (r *run) replicationConnection(ctx context.Context) error {
	f := Finding{ID: "replication-role", Side: Source, Subject: "REPLICATION", Level: OK, Text: "the role may replicate"}
	if !r.src.replication && !r.src.Superuser {
		f.Level, f.Text = Must, fmt.Sprintf("role %s lacks the attribute REPLICATION", r.src.Role)
		f.SQL = lines(fmt.Sprintf("ALTER ROLE %s REPLICATION", r.src.role()))
		r.add(f)
		return nil
	}
	r.add(f)
	conn, err := pg.Connect(ctx, pg.Config{DSN: r.o.Source, Name: "replicator check", Replication: true})
	if err == nil {
		defer conn.Close()
		err = conn.Exec(ctx, "IDENTIFY_SYSTEM")
	}
	if err == nil {
		r.ok("replication-connection", Source, "replication connection", "can be made")
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.add(Finding{ID: "replication-connection", Level: Must, Side: Source, Subject: "replication connection",
		Text: fmt.Sprintf("cannot be made: %v", err), Hint: noReplication(err, r.src)})
	return nil
}

// noReplication guesses from the condition what is in the way.
func noReplication(err error, s *side) string {
	switch state := pg.State(err); {
	case state == "53300":
		return "raise max_wal_senders and restart the server"
	case strings.HasPrefix(state, "28"):
		return fmt.Sprintf("let pg_hba.conf admit role %s to database %s", s.Role, s.Database)
	}
	return "go around a connection pooler: give the address of the server itself"
}
