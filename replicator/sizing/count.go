package sizing

import (
	"context"
	"strconv"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// reading is what the source had written at a moment.
type reading struct {
	At   time.Time `json:"at"`
	WAL  int64     `json:"wal"`  // bytes, since the beginning of time
	Rows int64     `json:"rows"` // inserted, updated, deleted in the selected tables
}

// counting is a count of changes under way.
type counting struct {
	c     *catalog
	first reading
}

func (c *catalog) startCount(ctx context.Context) (*counting, error) {
	r, err := c.count(ctx)
	return &counting{c, r}, err
}

func (k *counting) end(ctx context.Context) (Changes, error) {
	last, err := k.c.count(ctx)
	if err != nil {
		return Changes{}, err
	}
	return changes(k.first, last), nil
}

// changes are those between two readings. Counters that were reset in between say nothing.
func changes(a, b reading) Changes {
	c := Changes{Seconds: b.At.Sub(a.At).Seconds()}
	if c.Seconds <= 0 {
		return c
	}
	perHour := func(n int64) float64 { return float64(max(0, n)) / c.Seconds * 3600 }
	c.WAL, c.Rows = perHour(b.WAL-a.WAL), perHour(b.Rows-a.Rows)
	c.Peak = c.Rows
	return c
}

// count reads the counters. Sessions report to them about once a second, when they are idle.
func (c *catalog) count(ctx context.Context) (reading, error) {
	return count(ctx, c.conn, oids(c.tables))
}

func count(ctx context.Context, conn *pg.Conn, oids string) (reading, error) {
	r := reading{At: time.Now().UTC()}
	row, err := conn.Row(ctx, `SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
		(SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint FROM pg_stat_all_tables WHERE relid = ANY ($1::oid[]))`, oids)
	if err == nil {
		if r.WAL, err = strconv.ParseInt(row[0], 10, 64); err == nil {
			r.Rows, err = strconv.ParseInt(row[1], 10, 64)
		}
	}
	if err != nil {
		return r, fault.New(fault.Source, err, "")
	}
	return r, nil
}
