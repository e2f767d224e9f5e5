package check

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// Plan is what a seed would do.
type Plan struct {
	Tables     []PlanTable `json:"tables"` // largest first
	Bytes      int64       `json:"bytes"`  // heap and TOAST
	Chunks     int         `json:"chunks"`
	Indexes    int         `json:"indexes"`
	IndexBytes int64       `json:"index_bytes"`
	Late       int         `json:"late"` // tables
	LateBytes  int64       `json:"late_bytes"`
	Estimate   Estimate    `json:"estimate"`
	Foretold   *Foretold   `json:"foretold,omitempty"`
}

// PlanTable is one table of the plan.
type PlanTable struct {
	Name       string           `json:"name"`
	Bytes      int64            `json:"bytes"`
	Rows       int64            `json:"rows"` // estimate, -1 unknown
	Key        []string         `json:"key,omitempty"`
	Identity   chunker.Identity `json:"identity"`
	Late       bool             `json:"late,omitempty"`
	Text       bool             `json:"text,omitempty"`
	Cut        chunker.Kind     `json:"cut"`
	Chunks     int              `json:"chunks"`
	Sampled    bool             `json:"sampled"` // false: Cut and Chunks are reckoned from the size
	Indexes    int              `json:"indexes"`
	IndexBytes int64            `json:"index_bytes"`
}

// samples bounds how many tables are sampled, largest first: a few pages each, so that the check
// stays within its minute on any database.
const samples = 2000

// sampleTimeout bounds one sample, in ms; a table that takes longer is reckoned.
const sampleTimeout = 5000

// plan cuts the tables the way seed will.
func (r *run) plan(ctx context.Context) error {
	chunks, err := r.cut(ctx)
	if err != nil {
		return err
	}
	indexes, err := r.indexes(ctx)
	if err != nil {
		return err
	}
	p := &r.report.Plan
	p.Tables = make([]PlanTable, len(r.tables))
	for i := range r.tables {
		t, ix := &r.tables[i], indexes[r.tables[i].OID]
		row := PlanTable{Name: t.String(), Bytes: t.Bytes, Rows: t.Rows, Key: t.Key, Identity: t.Identity, Late: t.Late(), Text: t.Text,
			Cut: chunks[i].kind, Chunks: chunks[i].n, Sampled: chunks[i].sampled, Indexes: ix.n, IndexBytes: ix.bytes}
		if r.o.NoKey == "full" && t.MayBeFull() {
			row.Late, row.Identity = false, chunker.IdentityFull
		}
		p.Tables[i] = row
		p.Bytes += row.Bytes
		p.Chunks += row.Chunks
		p.Indexes += row.Indexes
		p.IndexBytes += row.IndexBytes
		if row.Late {
			p.Late++
			p.LateBytes += row.Bytes
		}
	}
	p.Estimate, p.Foretold = estimate(p.Bytes, p.IndexBytes, p.LateBytes), r.o.Foretold
	return nil
}

// cutting is how one table is cut.
type cutting struct {
	kind    chunker.Kind
	n       int
	sampled bool
}

// limits are those of seed: one published table that needs text makes the whole stream text.
func (r *run) limits() chunker.Limits {
	lim := chunker.Limits{Bytes: r.o.ChunkBytes}
	if lim.Bytes == 0 {
		lim.Bytes = chunker.DefaultBytes
	}
	for _, t := range r.published() {
		lim.Text = lim.Text || t.Text
	}
	return lim
}

// cut shares the tables among a few sessions.
func (r *run) cut(ctx context.Context) ([]cutting, error) {
	out := make([]cutting, len(r.tables))
	lim := r.limits()
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range min(r.o.Jobs, mostSessions) {
		g.Go(func() error {
			conn, err := session(ctx, r.o.Source)
			if err != nil {
				return err
			}
			defer conn.Close()
			if err := conn.Exec(ctx, fmt.Sprintf("SET statement_timeout = %d", sampleTimeout)); err != nil {
				return err
			}
			for {
				i := int(next.Add(1)) - 1
				if i >= len(r.tables) {
					return nil
				}
				if out[i], err = cutOne(ctx, conn, &r.tables[i], lim, i < samples); err != nil {
					return err
				}
			}
		})
	}
	return out, g.Wait()
}

// mostSessions bounds what the check itself takes from the source.
const mostSessions = 4

// cutOne asks the chunker, or reckons where the table cannot be sampled: no right yet, a lock that
// is held, too slow.
func cutOne(ctx context.Context, conn *pg.Conn, t *chunker.Table, lim chunker.Limits, sample bool) (cutting, error) {
	if sample {
		chunks, err := chunker.Cut(ctx, conn, t, lim)
		switch pg.State(err) {
		case "42501", "55P03", "57014", "42P01": // no right, locked, too slow, dropped meanwhile
		default:
			if err != nil {
				return cutting{}, err
			}
			return cutting{kind: chunks[0].Kind, n: len(chunks), sampled: true}, nil
		}
	}
	n := (t.Bytes + lim.Bytes/2) / lim.Bytes
	if n < 2 {
		return cutting{kind: chunker.Whole, n: 1}, nil
	}
	return cutting{kind: chunker.Block, n: int(min(n, max(t.Pages, 1)))}, nil
}

// tally is what a table has of indexes.
type tally struct {
	n     int
	bytes int64
}

// indexes counts and measures; it is asked twice and answered once.
func (r *run) indexes(ctx context.Context) (map[uint32]tally, error) {
	if r.indexTally != nil {
		return r.indexTally, nil
	}
	sql := func(bytes string) string {
		return `SELECT i.indrelid, count(*), COALESCE(sum(` + bytes + `), 0)::bigint FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
			WHERE i.indrelid = ANY ($1::oid[]) GROUP BY 1`
	}
	rows, err := r.src.query(ctx, sql("pg_relation_size(c.oid)"), r.oids)
	if pg.State(err) == "55P03" {
		// Somebody holds an index exclusively: what the last vacuum counted will do.
		rows, err = r.src.query(ctx, sql("c.relpages::bigint * current_setting('block_size')::bigint"), r.oids)
	}
	if err != nil {
		return nil, err
	}
	r.indexTally = make(map[uint32]tally, len(rows))
	for _, row := range rows {
		r.indexTally[uint32(bigNumber(row[0]))] = tally{n: number(row[1]), bytes: bigNumber(row[2])}
	}
	return r.indexTally, nil
}

func (r *run) indexBytes(ctx context.Context) (int64, error) {
	all, err := r.indexes(ctx)
	var sum int64
	for _, t := range all {
		sum += t.bytes
	}
	return sum, err
}
