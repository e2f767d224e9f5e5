package stream

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/slot"
)

// open connects, checks the slot against the log and takes the connection over. Nothing has been
// asked of the slot yet.
func open(ctx context.Context, cfg Config, durable wal.LSN) (*session, error) {
	conn, err := cfg.Connect(ctx)
	if err != nil {
		return nil, err
	}
	s, err := prepare(ctx, conn, cfg, durable)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

func prepare(ctx context.Context, conn *pg.Conn, cfg Config, durable wal.LSN) (*session, error) {
	timeout, err := settle(ctx, conn)
	if err != nil {
		return nil, err
	}
	state, err := slot.Inspect(ctx, conn, cfg.Slot)
	if err != nil {
		return nil, err
	}
	if err := slot.Check(state, durable); err != nil {
		return nil, err
	}
	raw, err := conn.Raw().Hijack()
	if err != nil {
		return nil, fmt.Errorf("take the connection over: %w", err)
	}
	if err := empty(raw); err != nil {
		raw.Conn.Close()
		return nil, fmt.Errorf("take the connection over: %w", err)
	}
	socket, err := offPoller(raw.Conn)
	if err != nil {
		raw.Conn.Close()
		return nil, fmt.Errorf("take the connection over: %w", err)
	}
	s := &session{
		cfg: cfg, conn: socket, in: newReader(socket), every: cfg.Report, server: state.Current,
		rx:   receiver{log: cfg.Log, spell: cfg.Spell, spool: cfg.Spool, start: durable, position: durable, at: durable},
		kick: make(chan struct{}, 1),
	}
	s.rx.replayed, s.rx.hook = s.replayed, cfg.Hook
	if timeout > 0 {
		s.every = min(s.every, timeout/4)
	}
	s.received.Store(uint64(durable))
	s.durable.Store(uint64(durable))
	s.confirmed.Store(uint64(state.Confirmed))
	return s, nil
}

// settle switches off the timeouts that end a long stream, which start-up packets cannot set on
// every version, and reads the one that we have to keep.
func settle(ctx context.Context, conn *pg.Conn) (walSenderTimeout time.Duration, err error) {
	results, err := conn.Raw().Exec(ctx, `
		SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings
		WHERE name IN ('transaction_timeout', 'idle_session_timeout');
		SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout'`).ReadAll()
	if err != nil {
		return 0, fmt.Errorf("prepare the replication session: %w", conn.Clean(err))
	}
	ms, err := strconv.Atoi(string(results[1].Rows[0][0]))
	if err != nil {
		return 0, fmt.Errorf("read wal_sender_timeout: %w", err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// empty takes what the server sent by itself, notices and parameters, out of pgconn's buffer.
func empty(raw *pgconn.HijackedConn) error {
	for raw.Frontend.ReadBufferLen() > 0 {
		if _, err := raw.Frontend.Receive(); err != nil {
			return err
		}
	}
	return nil
}

// start sends START_REPLICATION and waits for the stream to open.
func (s *session) start(ctx context.Context) error {
	if err := s.write(query(s.command())); err != nil {
		return fmt.Errorf("start replication: %w", err)
	}
	until := time.Now().Add(s.cfg.Silence)
	arm := func() error {
		if err := s.conn.SetReadDeadline(until); err != nil {
			return err
		}
		return ctx.Err()
	}
	for {
		kind, body, err := s.in.next(arm)
		if err != nil {
			return fmt.Errorf("start replication: %w", err)
		}
		switch kind {
		case 'W': // CopyBothResponse
			s.cfg.Logger.Info("streaming", "slot", s.cfg.Slot, "lsn", s.rx.start)
			return nil
		case 'N', 'S':
		case 'E':
			return fmt.Errorf("start replication from slot %s: %w", s.cfg.Slot, serverError(body))
		default:
			return unexpected("protocol message %q in answer to START_REPLICATION", kind)
		}
	}
}

func (s *session) command() string {
	return fmt.Sprintf(`START_REPLICATION SLOT %s LOGICAL %s (proto_version '2', publication_names %s, binary '%t', messages 'true', streaming '%t')`,
		pg.Ident(s.cfg.Slot), s.rx.start, literal(pg.Ident(s.cfg.Publication)), s.cfg.Binary, s.cfg.Streaming)
}

// literal quotes for the replication grammar, which knows no E” and takes a backslash as it is.
func literal(v string) string { return "'" + strings.ReplaceAll(v, "'", "''") + "'" }

// query is a simple Query message.
func query(sql string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{'Q'}, uint32(4+len(sql)+1))
	return append(append(b, sql...), 0)
}
