package apply

import (
	"context"

	"replicator/wal/pgoutput"
)

func (x *executor) deletes(ctx context.Context, rel *relation, keys []int32) error {
	if len(keys) == 0 {
		return nil
	}
	x.keyVectors(rel, keys)
	want := expected{what: whatRows, rel: rel, tx: -1, want: int64(len(keys))}
	if sent, err := x.set(ctx, rel, setDelete, nil, rel.key, want); sent || err != nil {
		return err
	}
	for _, k := range keys {
		if err := x.rowDelete(ctx, rel, k, -1); err != nil {
			return err
		}
	}
	return nil
}

func (x *executor) updates(ctx context.Context, rel *relation, g *group) error {
	row := x.values[g.rows[0]:][:len(rel.cols)]
	if !rel.setsAny(row) {
		return nil
	}
	x.keyVectors(rel, g.keys)
	cols := rel.net.cols[:0]
	cols = append(cols, rel.key...)
	for i := range row {
		if rel.sets(i, row, false) {
			cols = append(cols, i)
			x.vectors = append(x.vectors, vector{x.values, g.rows, int32(i)})
		}
	}
	rel.net.cols = cols
	want := expected{what: whatRows, rel: rel, tx: -1, want: int64(len(g.keys))}
	if sent, err := x.set(ctx, rel, setUpdate, row, cols, want); sent || err != nil {
		return err
	}
	for n := range g.keys {
		if err := x.rowUpdate(ctx, rel, rowUpdate, g.keys[n], g.rows[n], -1); err != nil {
			return err
		}
	}
	return nil
}

// inserts sends rows by COPY when they are many, else as arrays, else one by one.
func (x *executor) inserts(ctx context.Context, rel *relation, rows []int32) error {
	if len(rows) == 0 {
		return nil
	}
	x.vectors = x.vectors[:0]
	all := rel.net.cols[:0]
	for i := range rel.cols {
		all = append(all, i)
		x.vectors = append(x.vectors, vector{x.values, rows, int32(i)})
	}
	rel.net.cols = all
	if len(rows) > copyFrom && len(all) > 0 {
		if format := x.format(); format != 0 {
			return x.copyRows(ctx, rel, rows, format == 't')
		}
	}
	want := expected{what: whatRows, rel: rel, tx: -1, want: int64(len(rows))}
	if sent, err := x.set(ctx, rel, setInsert, nil, all, want); sent || err != nil {
		return err
	}
	for _, r := range rows {
		if err := x.rowInsert(ctx, rel, r, -1); err != nil {
			return err
		}
	}
	return nil
}

func (x *executor) keyVectors(rel *relation, keys []int32) {
	x.vectors = x.vectors[:0]
	for n := range rel.key {
		x.vectors = append(x.vectors, vector{x.values, keys, int32(n)})
	}
}

// format is the one that all vectors share, NULLs fitting any; 0 when there is none.
func (x *executor) format() byte {
	format := byte('n')
	for _, v := range x.vectors {
		switch f, _ := v.wire(); {
		case f == 'n' || f == format:
		case f == 0 || format != 'n':
			return 0
		default:
			format = f
		}
	}
	if format == 'n' {
		return 'b'
	}
	return format
}

// set sends x.vectors, the values of cols, as arrays. It reports false, and sends nothing, when
// arrays cannot carry them.
func (x *executor) set(ctx context.Context, rel *relation, kind byte, row []pgoutput.Value, cols []int, e expected) (bool, error) {
	if len(cols) == 0 {
		return false, nil
	}
	x.clear()
	total := int64(0)
	for n, i := range cols {
		format, size := x.vectors[n].wire()
		total += size
		if rel.cols[i].odd || format == 0 || total > maxArray {
			return false, nil
		}
		x.formats = append(x.formats, 0)
		if format == 'b' {
			x.formats[n] = 1
		}
	}
	x.buf, x.spans = x.buf[:0], x.spans[:0]
	for n, i := range cols {
		if c := &rel.cols[i]; x.formats[n] == 1 {
			x.buf = x.vectors[n].appendBinary(x.buf, c.base)
		} else {
			x.buf = x.vectors[n].appendText(x.buf, c.delimiter)
		}
		x.spans = append(x.spans, len(x.buf))
	}
	from := 0
	for _, to := range x.spans {
		x.params = append(x.params, x.buf[from:to])
		from = to
	}
	return true, x.s.run(ctx, rel.statement(kind, row), x.params, x.formats, e)
}
