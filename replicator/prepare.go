package replicator

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/replicator/status"
	"replicator/wal"
	"replicator/wal/changelog"
	"replicator/wal/slot"
)

// takeOver opens the target end and holds the store against it: the target is the truth about what
// was written (invariant I7).
func (j *job) takeOver(ctx context.Context) error {
	var s slotRecord
	begun, err := j.store.Get(keySlot, &s)
	if err != nil {
		return err
	}
	st, err := j.end.Open(ctx, !begun)
	if err != nil {
		return err
	}
	j.owns, j.replica = true, st.Replica
	if !st.Replica {
		j.note("the target role may not set session_replication_role: foreign keys and triggers wait for catch-up")
	}
	j.note(st.Guard)
	j.guarded = st.Guard == ""
	if st.Phase == string(status.Open) {
		// The target's word counts (I7): an engine was killed right after it had opened the target.
		return errors.Join(j.setPhase(status.Open), errEnd)
	}
	j.applied = st.Applied
	if st.Receipts, err = j.takeAway(ctx, st.Receipts); err != nil {
		return err
	}
	if err := j.store.ReplaceReceipts(st.Receipts); err != nil {
		return err
	}
	for i := range st.Receipts {
		r := &st.Receipts[i]
		if r.Table >= len(j.planned()) || j.planned()[r.Table].Late() {
			continue // of a catch-up that was interrupted: late tables start over
		}
		if r.Table >= len(j.received) || r.Chunk >= len(j.received[r.Table]) {
			return fault.New(fault.Mismatch, fmt.Errorf("the target holds a receipt for chunk %d of table %d, which the plan does not have", r.Chunk, r.Table),
				"this --dir and this target do not belong together")
		}
		j.received[r.Table][r.Chunk] = true
		show(j.tracker, r, false)
	}
	return j.holdsConsistent(st.Applied)
}

// holdsConsistent refuses a target that was set back to before the consistent point: changes are no
// longer judged by snapshots, and what it lacks is gone from the change log.
func (j *job) holdsConsistent(applied wal.LSN) error {
	var c consistentRecord
	found, err := j.store.Get(keyConsistent, &c)
	if err != nil || !found && j.resync == nil {
		return err
	}
	if !found {
		c.LSN = j.resync.Consistent
	}
	whole := applied >= c.LSN
	for i := range j.planned() {
		t := &j.planned()[i]
		whole = whole && (t.Late() || !found && j.resyncs(t) || !slices.Contains(j.received[i], false))
	}
	if whole {
		return nil
	}
	return fault.New(fault.PositionLost, fmt.Errorf("the target is older than the consistent point %s that it had reached: it stands at %s", c.LSN, applied),
		"it was restored or written by somebody else: replicator seed --reuse goes on with what it holds")
}

// prepareSchema dumps the source's schema once, and makes on the target what tables need before
// rows come.
func (j *job) prepareSchema(ctx context.Context) error {
	found, err := j.store.Get(keyWork, &j.work)
	if err != nil {
		return err
	}
	if !found {
		j.tracker.Wait("pg_dump reads the source's schema")
		if j.work, err = j.planSchema(ctx, "schema.dump", j.rec.Select, j.planned()); err != nil {
			return err
		}
		if j.reuses {
			j.work.MayStand()
		}
		if err := j.planDatabase(ctx); err != nil {
			return err
		}
		if err := j.store.Put(keyWork, j.work); err != nil {
			return err
		}
	}
	j.note(j.work.Notes...)
	j.tracker.Update(func(s *status.Status) { s.Indexes.Total = stepsAfterRows(j.work, j.planned()) })
	j.tracker.Wait("the target gets its schema")
	defer j.tracker.Wait("")
	if j.reuses { // before anything is made: what is dropped there is then made anew
		if err := j.checkStanding(ctx); err != nil {
			return err
		}
	}
	return j.inOrder(ctx, "make the schema", j.work.Pre)
}

// planSchema dumps the schema of what sel means and orders the work that it takes.
func (j *job) planSchema(ctx context.Context, file string, sel schema.Selection, tables []chunker.Table) (*schema.Work, error) {
	entries, err := j.dumpSchema(ctx, file, sel)
	if err != nil {
		return nil, err
	}
	if reflect.DeepEqual(sel, j.rec.Select) { // to be held against what the source has at the fence
		if err := j.store.Put(keyBaseline, schema.NewBaseline(entries, schema.AsIs)); err != nil {
			return nil, err
		}
	}
	conn, err := j.source.Connect(ctx, "schema")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	facts, err := j.facts(ctx, conn, sel)
	if err != nil {
		return nil, err
	}
	return schema.Plan(entries, tables, facts)
}

// facts are what the plan of the schema must know of both sides.
func (j *job) facts(ctx context.Context, conn *pg.Conn, sel schema.Selection) (*schema.Facts, error) {
	facts, err := schema.ReadFacts(ctx, conn, sel)
	if err != nil {
		return nil, err
	}
	there, err := j.end.Facts(ctx)
	facts.Target = there.Site.Database.Version
	return facts, err
}

// dumpSchema dumps the schema of what sel means. The dump is kept for whoever wants to look at it, but
// not in a job with a key file.
func (j *job) dumpSchema(ctx context.Context, file string, sel schema.Selection) (entries []schema.Entry, err error) {
	archive := filepath.Join(j.o.Dir, file)
	defer func() { err = errors.Join(err, j.forgetDump(archive)) }()
	tools, err := schema.Dump(ctx, schema.DumpConfig{DSN: j.o.Source, File: archive, Selection: sel})
	if err != nil {
		return nil, err
	}
	entries, err = schema.Entries(ctx, tools.Restore, archive)
	entries = stays(entries)
	j.rec.Tablespaces.Place(entries)
	return entries, err
}

// stepsAfterRows counts the index and constraint steps that status shows.
func stepsAfterRows(w *schema.Work, tables []chunker.Table) int {
	n := len(w.Constraints) + len(w.Foreign) + len(w.Validate)
	for i := range tables {
		if !tables[i].Late() {
			n += len(w.Table[i]) + len(w.Unique[i]) + 1 // and its ANALYZE
		}
	}
	return n
}

// stepsStanding is how many of them an earlier run has made that got to following.
func (j *job) stepsStanding() int {
	n := stepsAfterRows(j.work, j.planned())
	if !j.replica {
		n -= len(j.work.Foreign) + len(j.work.Validate) // they wait for the catch-up
	}
	return n
}

// ensureSlot makes the publication and then the slot, in that order (FACTS: a slot that is older
// than its publication cannot stream it), and waits for what ran at that moment.
func (j *job) ensureSlot(ctx context.Context) (slotRecord, error) {
	var s slotRecord
	began, err := j.store.Get(keySlot, &s)
	if err != nil {
		return s, err
	}
	conn, err := j.source.Connect(ctx, "slot")
	if err != nil {
		return s, err
	}
	defer conn.Close()
	if !s.Made {
		if s, err = j.makeSlot(ctx, conn, began); err != nil {
			return s, err
		}
	}
	if !s.Waited {
		err := slot.AwaitRunning(ctx, conn, s.Xmax, func(b []slot.Blocker) {
			j.tracker.Wait("transactions that ran when the slot was made: " + slot.Describe(b))
		})
		if err != nil {
			return s, err
		}
		j.tracker.Wait("")
		if err := j.trySlot(ctx, conn); err != nil {
			return s, err
		}
		s.Waited = true
	}
	return s, j.store.Put(keySlot, s)
}

// trySlot has a slot made anew that the source cannot decode its WAL from: nothing was read under it yet.
func (j *job) trySlot(ctx context.Context, conn *pg.Conn) error {
	err := slot.Trial(ctx, conn, j.rec.Slot, j.rec.Publication)
	if pg.State(err) != "XX000" {
		return err
	}
	j.log.Warn("the source cannot decode its WAL from where the slot was made: it is made anew", "slot", j.rec.Slot, "error", err)
	return errors.Join(j.store.Put(keySlot, slotRecord{}), fmt.Errorf("%w: %w", errPassing, err))
}

// makeSlot makes the slot. began says that an earlier run meant to: a slot of our name is then its,
// nothing has been read by it, and it is made anew.
func (j *job) makeSlot(ctx context.Context, conn *pg.Conn, began bool) (slotRecord, error) {
	var s slotRecord
	if err := source.EnsurePublication(ctx, conn, j.rec.Publication, j.published()); err != nil {
		return s, err
	}
	st, err := slot.Inspect(ctx, conn, j.rec.Slot)
	if err != nil {
		return s, err
	}
	if st.Exists && !began {
		return s, fault.New(fault.Preflight, fmt.Errorf("replication slot %s exists already", j.rec.Slot),
			"if nobody needs it: SELECT pg_drop_replication_slot("+pg.Literal(j.rec.Slot)+"); else choose another --slot-name")
	}
	if err := j.store.Put(keySlot, s); err != nil {
		return s, err
	}
	if st.Exists {
		if err := slot.Drop(ctx, conn, j.rec.Slot, j.source.Name()); err != nil {
			return s, err
		}
	}
	j.o.Hook("engine: before slot")
	stop := j.showBlockers(ctx)
	defer stop()
	// What is waited for here is the end of transactions, in nobody's way.
	if err := conn.Exec(ctx, "SET lock_timeout = 0"); err != nil {
		return s, err
	}
	if s.Consistent, err = slot.Create(ctx, conn, j.rec.Slot); err != nil {
		err = fmt.Errorf("make replication slot %s: %w", j.rec.Slot, err)
		if fault.HintOf(err) == "" {
			err = fault.New(fault.Source, err, "replicator check tells what is missing")
		}
		return s, err
	}
	xmax, err := conn.Value(ctx, "SELECT pg_snapshot_xmax(pg_current_snapshot())")
	if err != nil {
		return s, err
	}
	if s.Xmax, err = strconv.ParseUint(xmax, 10, 64); err != nil {
		return s, err
	}
	s.Made = true
	j.o.Hook("engine: slot made")
	return s, j.store.Put(keySlot, s)
}

// showBlockers says, while the slot is being made, whom the server waits for.
func (j *job) showBlockers(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		conn, err := j.source.Connect(ctx, "watch")
		if err != nil {
			return
		}
		defer conn.Close()
		for pg.Pause(ctx, retryMost) == nil {
			if b, err := slot.Blockers(ctx, conn, 0); err == nil && len(b) > 0 {
				j.tracker.Wait("making the slot waits for " + slot.Describe(b))
			}
		}
	}()
	return func() { cancel(); <-gone; j.tracker.Wait("") }
}

// openLog opens the change log. A new one begins where the slot does.
func (j *job) openLog(s slotRecord) error {
	var err error
	j.changes, err = changelog.Open(changelog.Options{
		Dir: filepath.Join(j.o.Dir, "changes"), Job: j.rec.Job, Start: s.Consistent, Budget: j.o.LogBudget, Compress: true, PlainBelow: plainBelow(j.remote != nil),
		Key: j.key, Logger: j.log, Hook: j.o.Hook,
	})
	if err != nil {
		return err
	}
	j.spool, err = j.changes.Spool()
	return err
}
