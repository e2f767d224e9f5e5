package sizing

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/largeobject"
	"replicator/replicator/pg"
	"replicator/replicator/sizing/forecast"
)

// finish asks what the window has to do beside rows.
func (t *trial) finish(ctx context.Context, r *Report) error {
	n, err := t.c.conn.Value(ctx, "SELECT count(*) FROM pg_sequences WHERE schemaname NOT IN ('pg_catalog', 'information_schema')")
	if err != nil {
		return fault.New(fault.Source, err, "")
	}
	t.p.facts.sequences = int(number(n))
	t.p.facts.catalog = t.c.took.Seconds()
	if t.p.facts.session, err = t.session(ctx); err != nil {
		return err
	}
	if t.p.facts.digests, err = t.digestSeconds(ctx, t.p.facts.objects); err != nil {
		return err
	}
	t.p.facts.views, err = t.views(ctx, r)
	return err
}

// digestedPages is how much of the large objects is hashed to tell what all of them take: 16 MB, or one of them.
const digestedPages = 8 << 10

// digestSeconds is what comparing large objects by content takes. Each server hashes its own, the target
// first, range by range with all sessions; some of the source's tell how fast.
func (t *trial) digestSeconds(ctx context.Context, bytes float64) (float64, error) {
	if bytes == 0 {
		return 0, nil
	}
	rate := float64(guessedScan)
	last, err := t.c.conn.Value(ctx, fmt.Sprintf("SELECT max(loid) FROM (SELECT loid FROM pg_largeobject ORDER BY loid, pageno LIMIT %d) AS o", digestedPages))
	if err == nil {
		began := time.Now()
		var a largeobject.Answer
		if a, err = largeobject.Read(ctx, t.c.conn, largeobject.Ask{Range: largeobject.Range{To: number(last)}}); a.Bytes() > 0 {
			rate = float64(a.Bytes()) / time.Since(began).Seconds()
		}
	}
	if err != nil && !skip(err) {
		return 0, fault.New(fault.Source, err, "")
	}
	ranges := bytes / (largeobject.Limit * largeObjectPage)
	return 2 * bytes / rate / max(1, min(ranges, float64(t.o.Jobs))), nil
}

// largeObjectPage is the size of a page of a large object, in bytes.
const largeObjectPage = 2048

// session is what a session on the source takes to open and to ask the catalog something for the first time:
// each step of a catch-up has its own.
func (t *trial) session(ctx context.Context) (float64, error) {
	var took []float64
	for range 5 {
		began := time.Now()
		c, err := t.c.db.Connect(ctx, "bench")
		if err != nil {
			return 0, err
		}
		_, err = c.Value(ctx, "SELECT count(*) FROM pg_sequences")
		took = append(took, time.Since(began).Seconds())
		_ = c.Close()
		if err != nil {
			return 0, fault.New(fault.Source, err, "")
		}
	}
	return forecast.Quantile(took, 0.5), nil
}

// objects are the large objects as a table of the copy: they go beside it, over the same wire. The server
// has packed their pages of two kilobytes, if they pack; they mostly are images, which do not.
func (t *trial) objects(ctx context.Context) (forecast.Table, error) {
	rows, err := t.c.conn.Query(ctx, `SELECT pg_relation_size(oid), greatest(pg_relation_size(oid), 2048 * reltuples::bigint)
		FROM pg_class WHERE oid = 'pg_largeobject'::regclass AND EXISTS (SELECT FROM pg_largeobject_metadata)`)
	if err == nil && len(rows) == 0 {
		return forecast.Table{}, nil
	}
	var packed, bytes float64
	if err == nil {
		_, err = fmt.Sscan(strings.Join(rows[0], " "), &packed, &bytes)
	}
	if err != nil {
		return forecast.Table{}, fault.New(fault.Source, err, "")
	}
	rate := t.rates[Toast]
	if rate == 0 {
		rate = t.best()
	}
	out := forecast.Table{Name: "large objects", Bytes: bytes, Rate: rate, Chunks: int(max(1, bytes/chunker.DefaultBytes))}
	if t.p.Work.Path.Wire > 0 {
		out.Packed = packed
	}
	return out, nil
}

// views is what filling the materialized views takes: the target does it while everybody waits. It is
// reckoned by the cost that the source's planner sees in them, for running them would be felt there.
func (t *trial) views(ctx context.Context, r *Report) (float64, error) {
	list, err := t.c.conn.Query(ctx, `SELECT format('%I.%I', n.nspname, c.relname), rtrim(pg_get_viewdef(c.oid), '; ') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'm' AND c.relispopulated AND n.nspname NOT LIKE 'pg\_%'`)
	if err != nil {
		return 0, fault.New(fault.Source, err, "")
	}
	var cost float64
	for _, v := range list {
		rows, err := t.c.conn.Query(ctx, "EXPLAIN "+v[1])
		if err == nil && len(rows) > 0 {
			cost += planCost(rows[0][0])
		} else if pg.Lost(err) {
			return 0, fault.New(fault.Source, err, "")
		} else {
			r.note("what filling the materialized view " + v[0] + " takes is not in the forecast: the role may not read it")
		}
	}
	if cost == 0 {
		return 0, nil
	}
	each, err := t.unitSeconds(ctx)
	return cost * each, err
}

// planCost is the total cost in the first line of a plan.
func planCost(line string) float64 {
	_, rest, _ := strings.Cut(line, "..")
	text, _, _ := strings.Cut(rest, " ")
	cost, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return cost
}

// The planner's default costs of a row and of what is done with it, in pages read.
const (
	rowCost = 0.01 + 0.0025
	// assumedUnit is of a page in memory, in seconds, where there was no table to read.
	assumedUnit = 1e-5
)

// unitSeconds is what a unit of the planner's cost takes on the target: the rows of the largest scratch
// table are counted.
func (t *trial) unitSeconds(ctx context.Context) (float64, error) {
	list := t.byBytes()
	if len(list) == 0 || list[0].rows[0] < worthIndexing {
		return assumedUnit, nil
	}
	st := list[0]
	took, err := t.s.sql(ctx, fmt.Sprintf("SET LOCAL max_parallel_workers_per_gather = 0; SELECT count(*) FROM %s", st.as[0].Qualified()))
	if err != nil {
		return 0, err
	}
	cost := st.bytes[0]/pageBytes + st.rows[0]*rowCost
	return max(assumedUnit/10, (took.Seconds()-t.built.empty)/cost), nil
}
