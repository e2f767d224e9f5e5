package sizing

import (
	"context"
	"strconv"
	"time"

	"replicator/replicator/pg"
	"replicator/replicator/sizing/forecast"
)

// pulse looks every so often how a server does, by one small query that reads a catalog through an
// index. It has a session of its own.
type pulse struct {
	conn   *pg.Conn
	stop   context.CancelFunc
	gone   chan struct{}
	began  time.Time
	first  int64 // commits of the database when it began
	took   []float64
	active []float64
}

// pulseEvery is often enough for a P95 of a few seconds and seldom enough to be no load.
const pulseEvery = 50 * time.Millisecond

// startPulse takes conn over.
func startPulse(ctx context.Context, conn *pg.Conn) *pulse {
	ctx, stop := context.WithCancel(ctx)
	p := &pulse{conn: conn, stop: stop, gone: make(chan struct{}), began: time.Now()}
	p.first = commits(ctx, conn)
	go func() {
		defer close(p.gone)
		p.run(ctx)
	}()
	return p
}

func (p *pulse) run(ctx context.Context) {
	for i := 0; pg.Pause(ctx, pulseEvery) == nil; i++ {
		began := time.Now()
		if _, err := p.conn.Query(ctx, "SELECT relname FROM pg_class WHERE oid = 1259"); err != nil {
			return
		}
		p.took = append(p.took, time.Since(began).Seconds())
		if i%10 == 0 {
			v, err := p.conn.Value(ctx, `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND state = 'active' AND NOT starts_with(application_name, 'replicator/')`)
			if n, perr := strconv.ParseFloat(v, 64); err == nil && perr == nil {
				p.active = append(p.active, n)
			}
		}
	}
}

// end stops it and gives what was seen; the session is the caller's again.
func (p *pulse) end(ctx context.Context) Latency {
	p.stop()
	<-p.gone
	l := Latency{P50: forecast.Quantile(p.took, 0.5), P95: forecast.Quantile(p.took, 0.95), Worst: forecast.Quantile(p.took, 1)}
	for _, n := range p.active {
		l.Active += n / float64(len(p.active))
	}
	if s := time.Since(p.began).Seconds(); s > 0 && !p.conn.Raw().IsClosed() {
		l.Commits = max(0, float64(commits(ctx, p.conn)-p.first)/s)
	}
	return l
}

// commits is how many transactions the database has seen; the server tells with a delay.
func commits(ctx context.Context, conn *pg.Conn) int64 {
	v, err := conn.Value(ctx, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(v, 10, 64)
	return n
}
