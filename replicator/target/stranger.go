package target

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"replicator/replicator/pg"
)

// Stranger is a session of somebody else on the target database, or a prepared transaction there.
type Stranger struct {
	Application string
	Role        string
	Kind        string    // as pg_stat_activity's backend_type; "session" where our role may not see it
	Since       time.Time // zero where our role may not see it
	Guarded     bool      // began under the guard: read-only unless it says otherwise
	Writing     bool      // a transaction is open that has an xid
}

// ours is the condition for sessions, a, of jobs on this database: they carry a job's name, and their
// role has to do with schema replicator. A name alone anybody can take.
const ours = `coalesce((EXISTS (SELECT FROM replicator.job j WHERE starts_with(a.application_name, 'replicator/' || j.job || '/'))
	AND has_schema_privilege(a.usesysid, 'replicator', 'USAGE')), false)`

// Strangers implements End. Whatever writes has an xid until it ends, and everybody may see that; what
// has ended leaves no sign that PostgreSQL would keep without an extension. So this shows those who
// write at this moment; what anybody has written, a verification finds.
func (l *Local) Strangers(ctx context.Context) ([]Stranger, error) {
	var rows [][]string
	err := l.plain.use(ctx, func(c *pg.Conn) (err error) {
		rows, err = c.Query(ctx, `SELECT application_name, usename, coalesce(backend_type, 'session'), coalesce(extract(epoch FROM backend_start), 0),
				coalesce(backend_start >= (SELECT max(raised) FROM replicator.guard), false), backend_xid IS NOT NULL
			FROM pg_stat_activity a
			WHERE datname = current_database() AND usename IS NOT NULL AND pid <> pg_backend_pid()
				AND coalesce(backend_type, '') NOT IN ('autovacuum worker', 'parallel worker', 'walsender') AND NOT `+ours+`
			UNION ALL SELECT '', owner, 'prepared transaction', extract(epoch FROM prepared), false, true FROM pg_prepared_xacts
			WHERE database = current_database() ORDER BY 1, 2, 3, 4`)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for others on the target: %w", err)
	}
	out := make([]Stranger, len(rows))
	for i, r := range rows {
		since, err := strconv.ParseFloat(r[3], 64)
		if err != nil {
			return nil, fmt.Errorf("parse the start of a session: %w", err)
		}
		out[i] = Stranger{Application: r[0], Role: r[1], Kind: r[2], Guarded: r[4] == "t", Writing: r[5] == "t"}
		if since > 0 {
			out[i].Since = time.UnixMicro(int64(since * 1e6)).UTC()
		}
	}
	return out, nil
}
