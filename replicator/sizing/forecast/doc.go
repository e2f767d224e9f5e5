// Package forecast reckons how long a move will take from what was measured of it. It is arithmetic
// alone: no database, no clock, no network.
//
// # Model of the seed
//
//	prepare    measured: dump, plan, and the schema steps before rows come
//	copy       a table takes Chunks * Path.Chunk + Bytes / Table.Rate, one table after another in the
//	           engine's order; the rate is that of the whole path for rows of its kind, all sessions
//	           at work, so whatever is slowest (source, processor, wire, target) is in it already
//	index      steps of a table begin when it is copied, Path.IndexJobs of them run at once. That many
//	           are Path.Speedup times as fast as one after another. Beside the copy both are slower:
//	           Path.CopyBeside, Path.IndexBeside
//	catch up   what the source changed until then, at the rate that changes are applied
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
// sample differed, and never by less than leastSpread.
package forecast
