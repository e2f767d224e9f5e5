package workload

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"

	"replicator/bench/clinical"
	"replicator/replicator/pg"
)

// session is a connection of the hospital's application.
type session struct{ conn *pgx.Conn }

func open(ctx context.Context, opts Options) (*session, error) {
	cfg, err := pgx.ParseConfig(opts.DSN)
	if err != nil {
		_, err := pg.ParseDSN(opts.DSN) // the same reason without the DSN
		return nil, err
	}
	cfg.RuntimeParams["application_name"] = "clinical workload"
	cfg.RuntimeParams["timezone"] = "UTC"
	cfg.RuntimeParams["clinical.actor"] = clinical.Mark("ward", opts.Canary) // for the audit trigger
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, pg.Clean(err)
	}
	return &session{conn}, nil
}

// close ends a session that is between acts, or one whose connection was cut; of the latter it
// waits until the server was asked to give up what it was doing. It may be called on nil.
func (s *session) close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	_ = s.conn.Close(ctx) // every act is over: an error loses nothing
	<-s.conn.PgConn().CleanupDone()
}

// judge says what an act's error means. The error is clean of values.
func (s *session) judge(err error) (outcome, int64, error) {
	err = pg.Clean(err)
	state := pg.State(err)
	switch {
	case state == "25006":
		return readOnly, 0, err
	case state == "40001", state == "40P01", state == "55P03", state == "57014",
		state == "0A000": // a cached plan made stale by DDL; pgx makes it again
		return conflict, 0, err
	case strings.HasPrefix(state, "23"), state == "42501":
		return refused, 0, err
	case s.conn.IsClosed(), strings.HasPrefix(state, "57P"), pg.Lost(err), state == "25P03":
		return lost, 0, err
	default:
		return failed, 0, err
	}
}
