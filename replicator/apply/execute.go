package apply

import (
	"context"

	"replicator/wal/pgoutput"
)

// executor turns changes into statements on a session. Its buffers are reused.
type executor struct {
	s      *session
	fold   *folder
	where  func(table, chunk int) string // Filter.Where
	values []pgoutput.Value              // the window's arena

	buf     []byte // bytes of parameter arrays, or of COPY rows
	spans   []int  // where each array ends in buf
	vectors []vector
	params  [][]byte
	formats []int16
	run     []int32 // a run of inserts
}

// maxKept is the largest buffer that is kept from one window to the next.
const maxKept = 64 << 20

// release lets go of what a huge value has blown up, and of the window's values.
func (x *executor) release() {
	if cap(x.buf) > maxKept {
		x.buf = nil
	}
	clear(x.params[:cap(x.params)])
	x.values, x.vectors = nil, x.vectors[:0]
}

// apply brings changes to the target: segment by segment, folded, or all in the source's order.
func (x *executor) apply(ctx context.Context, changes []change, inOrder bool) error {
	for len(changes) > 0 {
		n := segment(changes)
		if err := x.segment(ctx, changes[:n], inOrder); err != nil {
			return err
		}
		if n < len(changes) {
			if t := changes[n].truncate; t != nil {
				if err := x.truncate(ctx, t, changes[n].tx); err != nil {
					return err
				}
			}
			n++
		}
		changes = changes[n:]
	}
	return nil
}

// segment is the number of changes before the next barrier.
func segment(changes []change) int {
	for i := range changes {
		if changes[i].rel == nil {
			return i
		}
	}
	return len(changes)
}

func (x *executor) segment(ctx context.Context, changes []change, inOrder bool) error {
	if inOrder || !x.fold.fold(changes) {
		return x.replay(ctx, changes)
	}
	for _, rel := range x.fold.touched {
		if err := x.net(ctx, rel, changes); err != nil {
			return err
		}
	}
	return nil
}

// net sends what the fold left of one relation.
func (x *executor) net(ctx context.Context, rel *relation, changes []change) error {
	if rel.full() {
		return x.unkeyed(ctx, rel, changes)
	}
	if err := x.deletes(ctx, rel, rel.net.deletes); err != nil {
		return err
	}
	for i := range rel.net.groups {
		if err := x.updates(ctx, rel, &rel.net.groups[i]); err != nil {
			return err
		}
	}
	return x.inserts(ctx, rel, rel.net.inserts)
}

// unkeyed applies the changes of a table without a key in order. Only runs of inserts go as a
// set: among themselves their order does not matter.
func (x *executor) unkeyed(ctx context.Context, rel *relation, changes []change) error {
	x.run = x.run[:0]
	for _, i := range rel.net.ordered {
		c := &changes[i]
		if c.op == opInsert {
			x.run = append(x.run, c.row)
			continue
		}
		if err := x.inserts(ctx, rel, x.run); err != nil {
			return err
		}
		x.run = x.run[:0]
		if err := x.one(ctx, c); err != nil {
			return err
		}
	}
	return x.inserts(ctx, rel, x.run)
}
