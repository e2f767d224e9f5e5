// Package sizing measures, with the site's own data, how fast source, link and target are, and reckons
// from that what a move will take (package forecast).
//
// # Parts
//
//	Source   reads samples of the tables and nothing else: rates of COPY, what rows pack to, changes an hour
//	Target   writes made-up rows into a scratch schema: COPY, index, changes, commit
//	Network  sends frames to replicator serve, which throws them away
//	Path     moves samples of the tables through the engine's own pipeline into the scratch schema
//	All      all of them, and the forecast
//
// Each ends when its time is over with what it has by then: a slow link gives a smaller answer, not a
// later one.
//
// # What is left behind
//
// On the source nothing is made: no slot, no publication, no table. On the target the scratch schema
// ([target.ScratchSchema]) and the rows of one job ([target.ScratchJob]) in schema replicator, which are
// removed at the end, also after an error or a signal; on this machine a directory with the dump of the
// schema. What a killed run leaves is removed by the next one and by [Cleanup]. One measurement runs in a target database at a time: the job's lock sees to that.
//
// # The source is at work
//
// Rows are read as seed reads them (lock_timeout, a snapshot no longer than a chunk), with no more
// sessions than seed will use, and a [pulse] looks all the while how long a small query takes.
//
// # Words
//
// The kind of a table is what its rows cost: small (a chunk costs more than its rows), narrow, wide, or
// TOASTed. A sample is chunks spread evenly over tables and within them. A rate is bytes of rows, as
// COPY gives them, a second, unless it says wire.
package sizing
