// Command cdc measures how fast changes get from one server to another on the same machine, beside
// PostgreSQL's own logical replication.
//
//	clinical  the wards write a backlog, which is then drained: from the moment at which somebody
//	          uses the slot until the target has everything
//	tpcb      the same with pgbench's default script
//	lag       the wards write at half the rate that they reach at most while we follow, and then
//	          nobody does: how long after its commit a heartbeat is to be seen on the target
//
// The slots are made, and every target holds what the source held, before the backlog is written; so
// each subject drains the same WAL. Native replication comes with streaming off and on, and in text
// and binary; the best of these counts. Decode-only is a walsender with pgoutput whose output goes
// nowhere. Everything runs interleaved, and what arrived is compared with the source.
package main
