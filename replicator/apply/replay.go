package apply

import (
	"context"

	"replicator/wal/pgoutput"
)

// replay applies changes one by one in the order of the source, pipelined. It relies on nothing
// but that order: whatever the source allowed in it, the target allows as well.
func (x *executor) replay(ctx context.Context, changes []change) error {
	for i := range changes {
		if err := x.one(ctx, &changes[i]); err != nil {
			return err
		}
	}
	return nil
}

// one queues the statement of one change.
func (x *executor) one(ctx context.Context, c *change) error {
	switch {
	case c.op == opInsert:
		return x.rowInsert(ctx, c.rel, c.row, c.tx)
	case c.rel.full():
		return x.rowByImage(ctx, c)
	case c.op == opDelete:
		return x.rowDelete(ctx, c.rel, c.key, c.tx)
	case c.op == opMove:
		return x.rowUpdate(ctx, c.rel, rowMove, c.key, c.row, c.tx)
	}
	return x.rowUpdate(ctx, c.rel, rowUpdate, c.key, c.row, c.tx)
}

func (x *executor) rowInsert(ctx context.Context, rel *relation, row, tx int32) error {
	x.clear()
	for i := range rel.cols {
		x.push(&x.values[int(row)+i])
	}
	return x.row(ctx, rel, rowInsert, nil, tx)
}

func (x *executor) rowDelete(ctx context.Context, rel *relation, key, tx int32) error {
	x.clear()
	x.pushKey(rel, key)
	return x.row(ctx, rel, rowDelete, nil, tx)
}

func (x *executor) rowUpdate(ctx context.Context, rel *relation, kind byte, key, at, tx int32) error {
	row := x.values[at:][:len(rel.cols)]
	move := kind == rowMove
	if !move && !rel.setsAny(row) {
		return nil
	}
	x.clear()
	for i := range row {
		if rel.sets(i, row, move) {
			x.push(&row[i])
		}
	}
	x.pushKey(rel, key)
	return x.row(ctx, rel, kind, row, tx)
}

// rowByImage updates or deletes one row of a table without a key.
func (x *executor) rowByImage(ctx context.Context, c *change) error {
	x.clear()
	kind, row := byte(anyDelete), []pgoutput.Value(nil)
	if c.op == opUpdate {
		kind, row = anyUpdate, x.values[c.row:][:len(c.rel.cols)]
		if !c.rel.setsAny(row) {
			return nil
		}
		for i := range row {
			if row[i].Kind != 'u' {
				x.push(&row[i])
			}
		}
	}
	for i := range c.rel.cols {
		x.push(&x.values[int(c.key)+i])
	}
	return x.queue(ctx, c.rel, c.rel.byImage(kind, row, x.values[c.key:][:len(c.rel.cols)]), c.tx)
}

// row queues the statement whose parameters were pushed.
func (x *executor) row(ctx context.Context, rel *relation, kind byte, row []pgoutput.Value, tx int32) error {
	return x.queue(ctx, rel, rel.statement(kind, row), tx)
}

func (x *executor) queue(ctx context.Context, rel *relation, st *statement, tx int32) error {
	return x.s.run(ctx, st, x.params, x.formats, expected{what: whatRows, rel: rel, tx: tx, want: 1})
}

func (x *executor) clear() { x.params, x.formats = x.params[:0], x.formats[:0] }

func (x *executor) pushKey(rel *relation, at int32) {
	for n := range rel.key {
		x.push(&x.values[int(at)+n])
	}
}

// empty is a value without bytes; nil would be NULL.
var empty = []byte{}

// push adds a parameter; its bytes are the frame's own.
func (x *executor) push(v *pgoutput.Value) {
	format := int16(0)
	if v.Kind == 'b' {
		format = 1
	}
	data := v.Data
	switch {
	case v.Kind == 'n':
		data = nil
	case data == nil:
		data = empty
	}
	x.params, x.formats = append(x.params, data), append(x.formats, format)
}
