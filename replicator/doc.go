// Package replicator is the engine: it moves a live PostgreSQL database to another server, keeps the
// copy current, and at a fence makes it the one that takes writes.
//
// # One job, one direction
//
//	SOURCE END                                              TARGET END (package target)
//	plan > chunks (COPY TO) > sealed frames ------------> > opened, checked > COPY FROM + receipt, one transaction
//	walsender > pgoutput > change log (fsync) ----------> > opened, checked > windows + position, one transaction
//	     ^ confirm to the slot                    <------ acknowledgements
//
// A [job] is opened from its state directory by [Seed], by [Catchup] where no seed runs, and by
// [Cleanup]. Its run (seed.go) is the order of work; every step looks at what is there already, so
// the same command after a kill -9 goes on where it was:
//
//	plan          tables and chunks, written to the store before a row moves     plan.go
//	take over     the target's epoch; receipts of the target replace ours        prepare.go
//	schema        pg_dump's, without indexes, constraints, triggers              prepare.go
//	publication, slot, and the end of what ran when the slot was made            prepare.go
//	stream        from here to the end, beside everything else                   stream.go, watch.go
//	copy          chunks under their own snapshots; indexes as tables complete   copy.go, tablecopy.go, index.go
//	marker        written when the last chunk is read                            follow.go
//	apply         the change log up to the marker, judged by snapshots (I3)      follow.go
//	constrain     unique indexes, constraints, foreign keys                      seed.go
//	follow        until told to stop                                             follow.go
//	catch up      fence, drain, late tables, sequences, verify, open             catchup.go, finisher.go, late.go
//
// Large objects go beside all that follows the stream, in rounds that know nothing of its order, until a
// last round at the fence (largeobject.go).
//
// # Why the copy is exact
//
// Each chunk is read under a snapshot of its own, and its receipt keeps that snapshot. A change is
// applied to a row if and only if the chunk that covers the row has not seen the change's
// transaction (invariant I3, [wal.Snapshot.Sees], [chunker.Coverage]). Whatever any chunk has seen
// committed before the marker that follows the last chunk; so when the target has applied
// everything before the marker, it equals the source at that point of history, and from there on
// every change is due.
//
// # What survives what
//
// The target database is the truth about what was written (I7): chunks count by their receipts,
// changes by the position row, schema steps by the step table, each committed together with its
// work. The store (package checkpoint) keeps what the target cannot know: the plan, the slot, the
// marker, what the fence changed. The change log keeps what the slot has been told it may forget
// (I4, I5). An engine that has lost its job to another finds a higher epoch and ends (I11).
//
// A statement that changes a table ends the run, before anything of it is applied (drift.go); or it is
// carried, where the job was begun so and the source tells of it exactly (carried.go, package ddl). Resync
// takes such tables through again (resync.go): it replaces their entries of the plan, and the next run
// has them go through copy, marker and apply while all others stand where they are.
//
// # Words
//
// chunk, receipt, frame, change log, window, consistent point, fence: DESIGN's meaning, see the
// packages chunker, frame, changelog, apply and catchup. A late table is one whose changes are not
// in the stream: without replica identity, unlogged, or made after the plan; it is copied at the
// fence. To persist is to try again what fails for a reason that goes away by itself.
package replicator
