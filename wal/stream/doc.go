// Package stream reads the source's changes: one [Run] is the life of one walsender connection.
//
// What arrives is received; it is handed to the change log, which makes it synced: on disk, below
// its durable LSN. Only a synced position is confirmed to the slot (invariant I4), and the slot
// keeps the rest for the next connection. A mark is a synced position between transactions: the
// server said in a keepalive how far it has read, nothing was pending, and the log has noted it, so
// that the slot moves on a quiet database too.
//
// Two goroutines share the connection. The receiver reads, appends and syncs, and may be held up in
// the log for as long as its disk budget is used up. The reporter alone writes, every few seconds
// and whenever the server asks, so the server never takes a held-up receiver for a dead one.
//
// Syncs are grouped: one covers all commits that arrived in a short while, and a large transaction
// is synced by bytes as it comes.
//
// A large transaction is streamed while it runs, with Config.Streaming: the server, which cannot keep
// it in memory, would otherwise write it to disk a second time and send it in one rush at its commit.
// What has come waits in the [Spool]. At the commit it is appended to the log as if it came then, and
// whole; what is rolled back is dropped, subtransactions too. A spool is not part of what is synced
// and has no say in what is confirmed: the slot may be confirmed past the beginning of a transaction
// that is in it, for the server keeps the WAL of every transaction that is under way, and after a
// break sends all of it again as long as its commit lies beyond the confirmed position.
//
// A server that shuts down waits until the receiver has confirmed everything. When that cannot be,
// because the log is full or the slot waits for the target, the reporter finds out by knocking at
// the server's door (it answers "shutting down") and closes the connection: nothing is lost by it.
package stream
