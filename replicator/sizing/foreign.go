package sizing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// reference is a foreign key of the source between two tables.
type reference struct {
	from, to   uint32 // OIDs
	cols, keys []string
}

// foreignSeconds is what validating each foreign key takes. The server joins the two tables; so does
// the measurement, with what the scratch tables have of them.
func (t *trial) foreignSeconds(ctx context.Context, rowsOf map[uint32]float64, span time.Duration) ([]float64, error) {
	refs, err := t.references(ctx)
	if err != nil {
		return nil, err
	}
	// The largest first: they are what counts, and there may not be time for all.
	slices.SortFunc(refs, func(a, b reference) int {
		return int(max(-1, min(1, rowsOf[b.from]+rowsOf[b.to]-rowsOf[a.from]-rowsOf[a.to])))
	})
	until := time.Now().Add(span)
	out := make([]float64, len(refs))
	var seconds, rows float64
	for i, r := range refs {
		from, to := t.tables[r.from], t.tables[r.to]
		whole := rowsOf[r.from] + rowsOf[r.to]
		if from == nil || to == nil || from.rows[0]+to.rows[0] < worthIndexing || time.Now().After(until) {
			out[i] = -whole // reckoned below
			continue
		}
		took, err := t.s.sql(ctx, r.sql(from, to))
		if err != nil {
			if pg.State(err) == "" || pg.Lost(err) {
				return nil, err
			}
			out[i] = -whole // types that cannot be compared here
			continue
		}
		alone := max(0, took.Seconds()-t.built.empty)
		n := from.rows[0] + to.rows[0]
		seconds += alone
		rows += n
		out[i] = t.built.step + alone*max(1, whole/n)
	}
	each := 0.0
	if rows > 0 {
		each = seconds / rows
	}
	for i, v := range out {
		if v <= 0 {
			out[i] = t.built.step - v*each
		}
	}
	return out, nil
}

// references are those between ordinary tables. A foreign key that refers to a partitioned table costs
// about what its parts do, which are among them.
func (t *trial) references(ctx context.Context) ([]reference, error) {
	rows, err := t.c.conn.Query(ctx, `SELECT k.conrelid, k.confrelid,
			(SELECT string_agg(quote_ident(a.attname), ',' ORDER BY c.i) FROM unnest(k.conkey) WITH ORDINALITY c(n, i) JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.n),
			(SELECT string_agg(quote_ident(a.attname), ',' ORDER BY c.i) FROM unnest(k.confkey) WITH ORDINALITY c(n, i) JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.n)
		FROM pg_constraint k JOIN pg_class f ON f.oid = k.conrelid JOIN pg_class p ON p.oid = k.confrelid
		WHERE k.contype = 'f' AND f.relkind = 'r' AND p.relkind = 'r' AND k.convalidated AND k.conrelid = ANY ($1::oid[])`, oids(t.c.tables))
	if err != nil {
		return nil, fault.New(fault.Source, fmt.Errorf("read foreign keys: %w", err), "")
	}
	list := make([]reference, len(rows))
	for i, r := range rows {
		list[i] = reference{number(r[0]), number(r[1]), strings.Split(r[2], ","), strings.Split(r[3], ",")}
	}
	return list, nil
}

// sql is the join that ALTER TABLE ... VALIDATE CONSTRAINT does, with the memory that it has.
func (r *reference) sql(from, to *scratchTable) string {
	var on, some []string
	for i := range r.cols {
		on = append(on, "pk."+r.keys[i]+" = fk."+r.cols[i])
		some = append(some, "fk."+r.cols[i]+" IS NOT NULL")
	}
	return fmt.Sprintf(`SELECT set_config('work_mem', current_setting('maintenance_work_mem'), true);
		SELECT count(*) FROM ONLY %s fk LEFT JOIN ONLY %s pk ON %s WHERE pk.%s IS NULL AND %s`,
		from.as[0].Qualified(), to.as[0].Qualified(), strings.Join(on, " AND "), r.keys[0], strings.Join(some, " AND "))
}
