package replicator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// newTables are the tables that the source has and the plan does not.
func (j *job) newTables(ctx context.Context, conn *pg.Conn) ([]chunker.Table, error) {
	now, err := schema.Tables(ctx, conn, j.rec.Select)
	if err != nil {
		return nil, err
	}
	var made []chunker.Table
	for i := range now {
		if t := j.table(now[i].Schema, now[i].Name); t == nil {
			made = append(made, now[i])
		}
	}
	return made, nil
}

// newRelations are the sequences, and the tables that are partitioned, that the source has and the
// plan does not: pg_dump leaves them out of a dump of tables that need them.
func (j *job) newRelations(ctx context.Context, conn *pg.Conn) ([]schema.Relation, error) {
	known, err := j.given()
	if err != nil {
		return nil, err
	}
	var made []schema.Relation
	parents, err := schema.PartitionedTables(ctx, conn, j.rec.Select)
	if err != nil {
		return nil, err
	}
	for i := range parents {
		if r := parents[i].Relation; !known[r.Tag()] && !known[r.String()] {
			made = append(made, r)
		}
	}
	sequences, err := schema.Sequences(ctx, conn, j.rec.Select)
	if err != nil {
		return nil, err
	}
	for i := range sequences {
		if r := sequences[i].Relation; !sequences[i].Identity && !known[r.Tag()] && !known[r.String()] {
			made = append(made, r)
		}
	}
	return made, nil
}

// Tables are all tables of the plan, after a look that they still are what they were.
func (f *finisher) Tables(ctx context.Context) (tables []chunker.Table, err error) {
	err = f.onSource(ctx, "tables", func(c *pg.Conn) error { return f.drift(ctx, c) })
	return f.present(), err
}

// present are the planned tables without those that are gone.
func (j *job) present() []chunker.Table {
	return slices.DeleteFunc(slices.Clone(j.planned()), func(t chunker.Table) bool { return t.Gone })
}

// Late lists the planned late tables and creates those that were made since the plan.
func (f *finisher) Late(ctx context.Context, rehearsal bool) (late []chunker.Table, err error) {
	err = f.onSource(ctx, "late tables", func(c *pg.Conn) error {
		// Once more, behind the fence: between the gates and the fence everybody could still write.
		if err := f.drift(ctx, c); err != nil {
			return err
		}
		f.forgetMade()
		late = nil
		for i := range f.planned() {
			if f.planned()[i].Late() && !f.planned()[i].Gone {
				late = append(late, f.planned()[i])
			}
		}
		made, err := f.newTables(ctx, c)
		if err != nil || rehearsal {
			late = append(late, made...)
			return err
		}
		others, err := f.newRelations(ctx, c)
		if err != nil || len(made)+len(others) == 0 {
			return err
		}
		made, err = f.create(ctx, c, made, others)
		late = append(late, made...)
		return err
	})
	return late, err
}

// forgetMade forgets what an attempt before found made since the plan: it may have changed.
func (f *finisher) forgetMade() {
	n := len(f.planned())
	f.tables, f.chunks, f.received, f.made = f.tables[:n:n], f.chunks[:n:n], f.received[:n:n], schema.Work{}
	f.tracker.Update(func(s *status.Status) { s.Tables = s.Tables[:n] })
}

// create makes tables that the plan does not know on the target, and numbers them after the plan's.
// others are made along with them.
func (f *finisher) create(ctx context.Context, c *pg.Conn, made []chunker.Table, others []schema.Relation) ([]chunker.Table, error) {
	for i := range made {
		made[i].Ordinal = len(f.tables) + i
		made[i].Identity = chunker.IdentityNone // their changes are not in the stream
	}
	work, err := f.planSchema(ctx, "late.dump", schema.Only(made, others), made)
	if err != nil {
		return nil, err
	}
	work.Apart()
	// Without a late table among them, what else comes has a stage of its own that is long over.
	work.Finish = slices.Concat(work.Constraints, work.Foreign, work.Finish)
	work.Constraints, work.Foreign = nil, nil
	steps := work.Undoing() // what waits for Finish is noted there, behind what it comes after
	for i := range made {
		steps = append(steps, schema.Step{ID: analyzeID(&made[i]), Name: made[i].String(), Undo: "SELECT 1;"})
	}
	if err := f.willUndo(steps); err != nil {
		return nil, err
	}
	if err := f.inOrder(ctx, "create late tables", work.Pre); err != nil {
		return nil, err
	}
	for i := range made {
		t := &made[i]
		chunks, err := chunker.Cut(ctx, c, t, chunker.Limits{Bytes: f.rec.ChunkBytes})
		if err != nil {
			return nil, err
		}
		f.tables = append(f.tables, *t)
		f.chunks = append(f.chunks, chunks)
		f.received = append(f.received, make([]bool, len(chunks)))
		f.tracker.Update(func(s *status.Status) {
			s.Tables = append(s.Tables, status.Table{Name: t.String(), Kind: status.Late, Size: t.Bytes, Chunks: len(chunks)})
		})
	}
	f.made = *work
	return made, nil
}

// lateSteps are the indexes of a late table.
func (f *finisher) lateSteps(t *chunker.Table) []schema.Step {
	if t.Ordinal < len(f.planned()) {
		return f.work.Late[t.Ordinal]
	}
	return f.made.Late[t.Ordinal]
}

// copied is what is on the target of late tables.
func (f *finisher) copied(late []chunker.Table) (rows, bytes int64) {
	s := f.tracker.Status()
	for i := range late {
		rows += s.Tables[late[i].Ordinal].Rows
		bytes += s.Tables[late[i].Ordinal].Bytes
	}
	return rows, bytes
}

// CopyLate copies late tables from scratch, then builds their indexes.
func (f *finisher) CopyLate(ctx context.Context, late []chunker.Table) (rows, bytes int64, err error) {
	began := time.Now()
	tables := make([]*chunker.Table, len(late))
	for i := range late {
		tables[i] = &f.tables[late[i].Ordinal]
		err := f.persist(ctx, "empty "+late[i].String(), func() error { return f.startOver(ctx, tables[i]) })
		if err != nil {
			return 0, 0, err
		}
	}
	defer f.goes(func() string {
		_, bytes := f.copied(late)
		return fmt.Sprintf("%s of about %s copied, %d tables", sizeOf(bytes), sizeOf(size(late)), len(late))
	})()
	x, xctx := f.newIndexer(ctx)
	err = f.copyAt(xctx, nil, tables, func(t *chunker.Table) { x.build(xctx, t, f.lateSteps(t)) })
	if err == nil {
		x.rest(xctx)
	}
	if werr := x.wait(); werr != nil {
		err = werr
	}
	rows, bytes = f.copied(late)
	if err == nil && size(late) > 0 {
		err = f.measureLate(size(late), time.Since(began))
	}
	return rows, bytes, err
}
