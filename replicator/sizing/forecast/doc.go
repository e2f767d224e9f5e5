// Package forecast reckons how long a move will take from what was measured of it. It is arithmetic
// alone: no database, no clock, no network.
//
// # Model of the seed
//
//	prepare    measured: dump, plan, and the schema steps before rows come
//	copy       Path.Sessions take chunks, one table after another in the engine's order. A chunk takes
//	           Path.Chunk and its bytes at Table.Rate of everything but the wire (source, processors,
//	           target), which all sessions share, and its packed bytes of the wire, which they share too.
//	           Whichever holds it up counts, not the sum: while one chunk waits for the wire, another is read
//	index      steps of a table begin when it is copied, Path.IndexJobs of them run at once. That many
//	           are Path.Speedup times as fast as one after another. Beside the copy both are slower:
//	           Path.CopyBeside, Path.IndexBeside; a copy that waits for the wire loses and disturbs less
//	catch up   what the source changed until then, at the rate that changes are applied; of what it
//	           changed during the copy half is in chunks that were read later
//	constrain  unique indexes and validation of foreign keys, with nothing beside them
//
// Copy and index are simulated together (simulate.go); the others add up.
//
// # Model of the window
//
// The steps of a catch-up one after another: [Window].
//
// # Range
//
// What is measured in minutes stands for hours: [Range] widens a figure by how much the parts of the
// sample differed and by how far it was stretched, and never by less than leastSpread.
package forecast
