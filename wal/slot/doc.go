// Package slot deals with the logical replication slot on the source: making it, looking at it,
// deciding whether it still has what we have not, and dropping it.
//
// A slot holds back WAL from its restart LSN on and promises every transaction whose commit ends
// above its confirmed LSN. Asked for something older the server skips forward without a word, so
// [Check] compares the slot with what is durable on our side before every connection (invariant
// I10). [System] tells clusters and timelines apart: an LSN means something within one of them only.
//
// A slot can be made only when the transactions that run at that time have ended, and the copy may
// begin only when those have ended that ran when the slot was there ([AwaitRunning]). [Blocker] is a
// session or a prepared transaction that one of them waits for.
//
// Everything here works with the source role that `replicator sql source-setup` makes: LOGIN,
// REPLICATION, pg_read_all_data and pg_monitor, no superuser.
package slot
