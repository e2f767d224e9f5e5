// Command copy measures how fast a whole database is copied from one server to another on the same
// machine, beside the tools that people use for it.
//
//	clinical  the clinical database; everybody ends with the same rows, indexes, constraints,
//	          sequences and statistics. Beside the peers stand the raw parts: COPY to COPY, then
//	          indexes, then foreign keys, then statistics, each by itself with nothing checked
//	small     5,000 small tables
//	plan      100,000 tables are planned: how long, and how much memory
//
// Subjects run interleaved, each into a fresh database; what arrived is compared with the source, and
// a run that moved something else fails the benchmark. With --cpuprofile the engine runs in the
// benchmark's own process and leaves a profile of its last run.
package main
