package sizing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/target"
)

// twice: rows that are moved while indexes are built go into other tables than those, for building an
// index locks its table.
const twice = 2

// scratchTable stands in for a table of the source. Types that only the source has are bytea, which
// takes any bytes that COPY gives for one value: what is measured is never looked at.
type scratchTable struct {
	*chunker.Table
	as      [twice]chunker.Table
	indexes []scratchIndex

	mu     sync.Mutex
	bytes  [twice]float64 // moved
	rows   [twice]float64
	sent   float64        // of all that were packed, also of chunks that were cut off
	packed float64        // what that was on the wire
	chunks [twice]float64 // as part of all: the sum of one over the number of chunks of each cut
}

// scratchIndex is an index as it can be made here.
type scratchIndex struct {
	name   string // on the source
	sql    string // from USING on
	unique bool
	key    bool // of the replica identity: made as the table completes
}

// method is the access method.
func (ix scratchIndex) method() string {
	m, _, _ := strings.Cut(ix.sql, " ")
	return m
}

// got counts a chunk.
func (t *scratchTable) got(into int, p piece, bytes, rows int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes[into] += float64(bytes)
	t.rows[into] += float64(rows)
	t.chunks[into] += 1 / float64(p.of)
}

// whole is what COPY will give of the whole table, reckoned from its sample; ok is false of none.
func (t *scratchTable) whole() (bytes, rows float64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	part := t.chunks[0] + t.chunks[1]
	if part <= 0 {
		return 0, 0, false
	}
	return (t.bytes[0] + t.bytes[1]) / part, (t.rows[0] + t.rows[1]) / part, true
}

// weigh counts rows that were packed. Rows that pack badly are those that a slow line cuts off.
func (t *scratchTable) weigh(bytes, packed int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent += float64(bytes)
	t.packed += float64(packed)
}

// packing is how many packed bytes there are for a byte of rows; ok is false where none were packed.
func (t *scratchTable) packing() (part float64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent > 0 && t.packed > 0 {
		return t.packed / t.sent, true
	}
	return 0, false
}

// scratchTables reads how the tables look and makes theirs on the target, without rows.
func (o *Options) scratchTables(ctx context.Context, c *catalog, s *scratch, tables []*chunker.Table) (map[uint32]*scratchTable, error) {
	out := make(map[uint32]*scratchTable, len(tables))
	var list []chunker.Table
	for i, t := range tables {
		st := &scratchTable{Table: t}
		for k := range twice {
			st.as[k] = chunker.Table{Ordinal: k<<20 + i, Schema: target.ScratchSchema, Name: fmt.Sprintf("t%d_%d", i, k), Columns: t.Columns, Text: t.Text}
		}
		out[t.OID] = st
		list = append(list, *t)
	}
	spelled, err := columnTypes(ctx, c.conn, oids(list))
	if err != nil {
		return nil, err
	}
	if err := indexDefinitions(ctx, c.conn, oids(list), out); err != nil {
		return nil, err
	}
	var steps []schema.Step
	for _, t := range tables {
		for k := range twice {
			steps = append(steps, schema.Step{ID: s.id(), Kind: "BENCH", Name: "scratch for " + t.String(), SQL: createSQL(&out[t.OID].as[k], spelled[t.OID])})
		}
	}
	if _, err := s.Steps(ctx, steps); err != nil {
		return nil, fmt.Errorf("make scratch tables: %w", err)
	}
	return out, nil
}

func createSQL(t *chunker.Table, types map[string]string) string {
	var cols []string
	for i := range t.Columns {
		typ := types[t.Columns[i].Name]
		if t.Text {
			typ = "text"
		}
		cols = append(cols, pg.Ident(t.Columns[i].Name)+" "+typ)
	}
	return "CREATE TABLE " + t.Qualified() + " (" + strings.Join(cols, ", ") + ")"
}

// columnTypes spells the type of every column so that any server has it: built-in ones as they are, an
// enum as text of collation C, a domain as what it is of, and everything else as bytea.
func columnTypes(ctx context.Context, conn *pg.Conn, oids string) (map[uint32]map[string]string, error) {
	rows, err := conn.Query(ctx, `WITH RECURSIVE base AS (
			SELECT oid AS of, oid, typbasetype, typtype, NULL::int AS mod FROM pg_type
			UNION ALL SELECT b.of, t.oid, t.typbasetype, t.typtype, CASE WHEN d.typtypmod >= 0 THEN d.typtypmod END
				FROM base b JOIN pg_type d ON d.oid = b.oid JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd')
		SELECT a.attrelid, a.attname,
			CASE WHEN b.typtype = 'e' THEN 'text COLLATE "C"' WHEN b.oid >= 16384 THEN 'bytea'
				ELSE format_type(b.oid, coalesce(b.mod, CASE WHEN b.of = b.oid THEN a.atttypmod END)) END
			|| CASE WHEN b.oid < 16384 AND b.typtype <> 'e' AND a.attcollation <> 0 AND l.collname IN ('C', 'POSIX') AND l.collnamespace = 'pg_catalog'::regnamespace
				THEN ' COLLATE ' || quote_ident(l.collname) ELSE '' END
		FROM pg_attribute a JOIN base b ON b.of = a.atttypid AND b.typtype <> 'd' LEFT JOIN pg_collation l ON l.oid = a.attcollation
		WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped`, oids)
	if err != nil {
		return nil, fault.New(fault.Source, fmt.Errorf("read columns: %w", err), "")
	}
	out := map[uint32]map[string]string{}
	for _, r := range rows {
		id := number(r[0])
		if out[id] == nil {
			out[id] = map[string]string{}
		}
		out[id][r[1]] = r[2]
	}
	return out, nil
}

// indexDefinitions reads what stands behind USING of every valid index.
func indexDefinitions(ctx context.Context, conn *pg.Conn, oids string, tables map[uint32]*scratchTable) error {
	rows, err := conn.Query(ctx, `SELECT i.indrelid, c.relname, pg_get_indexdef(i.indexrelid), i.indisunique
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid ORDER BY i.indrelid, c.relname`, oids)
	if err != nil {
		return fault.New(fault.Source, fmt.Errorf("read indexes: %w", err), "")
	}
	for _, r := range rows {
		t := tables[number(r[0])]
		_, def, ok := strings.Cut(r[2], " USING ")
		if t == nil || !ok {
			continue
		}
		ix := scratchIndex{name: r[1], sql: def, unique: r[3] == "t", key: r[1] == t.KeyIndex}
		t.indexes = append(t.indexes, ix)
	}
	for _, t := range tables {
		// The key's index first, as the engine does.
		slices.SortStableFunc(t.indexes, func(a, b scratchIndex) int {
			switch {
			case a.key == b.key:
				return 0
			case a.key:
				return -1
			}
			return 1
		})
	}
	return nil
}

func number(s string) (n uint32) {
	_, _ = fmt.Sscan(s, &n)
	return n
}
