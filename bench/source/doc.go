// Command source measures what the hospital notices while its database is copied and followed: the
// wards write to the source at a fixed rate, and how long their transactions take is compared with
// how long they take when nobody copies. The same is done with pgcopydb and with PostgreSQL's own
// logical replication doing that job.
//
// An act is counted from the moment at which it is due until it has committed; the one act that stays
// open by intention is left out. Beside that stands the oldest snapshot that anybody but the wards
// held on the source: for that long vacuum could not take away what was dead.
//
// Source, target, tools and wards share this machine. What a copy costs the source by itself cannot be
// told from what it costs everybody there; between subjects that is the same.
package main
