package largeobject

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"replicator/replicator/pg"
)

// Range is OIDs from From to To, both included.
type Range struct {
	From uint32 `json:"from"`
	To   uint32 `json:"to"`
}

// All is every OID.
var All = Range{0, math.MaxUint32}

func (r Range) from() string { return strconv.FormatUint(uint64(r.From), 10) }
func (r Range) to() string   { return strconv.FormatUint(uint64(r.To), 10) }

// Limit is the weight of a range: its pages, and for each object as much as objectWeight pages. So a
// range is about 64 MiB or 1000 objects, but an object is never cut.
const (
	Limit        = 32 << 10
	objectWeight = 33
)

// Cut cuts a range where the source's objects say. It reads the catalog and the ends of the index.
func Cut(ctx context.Context, conn *pg.Conn, r Range) ([]Range, error) {
	rows, err := conn.Query(ctx, `SELECT max(oid) FROM (
			SELECT oid, (sum(weight) OVER (ORDER BY oid) - weight)::bigint / $3::bigint AS part FROM (
				SELECT m.oid, $4::bigint + coalesce((SELECT max(p.pageno) + 1 FROM pg_largeobject p WHERE p.loid = m.oid), 0) AS weight
				FROM pg_largeobject_metadata m WHERE m.oid BETWEEN $1::oid AND $2::oid) AS o) AS parts
		GROUP BY part ORDER BY 1`, r.from(), r.to(), strconv.Itoa(Limit), strconv.Itoa(objectWeight))
	if err != nil {
		return nil, fmt.Errorf("cut large objects into ranges: %w", err)
	}
	var list []Range
	from := r.From
	for _, row := range rows[:max(len(rows)-1, 0)] {
		last, err := strconv.ParseUint(row[0], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("parse OID: %w", err)
		}
		list = append(list, Range{from, uint32(last)})
		from = uint32(last) + 1
	}
	return append(list, Range{from, r.To}), nil
}

// Proof is a range that was found equal, and the two snapshots that showed it.
type Proof struct {
	Source Mark `json:"source"`
	Target Mark `json:"target"`
}

// Part is a range of a plan and what is known of it.
type Part struct {
	Range
	Weight int64  `json:"weight"` // when it was looked at last; -1: never
	Proof  *Proof `json:"proof,omitempty"`
}

// Heavy reports whether a part is to be cut.
func (p *Part) Heavy() bool { return p.Weight < 0 || p.Weight > 2*Limit }

// Join joins neighbours that have become light: objects that come and go leave ranges empty behind
// them. What is joined is no longer proved.
func Join(parts []Part) []Part {
	var out []Part
	for _, p := range parts {
		if n := len(out); n > 0 && out[n-1].Weight >= 0 && p.Weight >= 0 && out[n-1].Weight+p.Weight < Limit/2 {
			out[n-1] = Part{Range: Range{out[n-1].From, p.To}, Weight: out[n-1].Weight + p.Weight}
			continue
		}
		out = append(out, p)
	}
	return out
}
