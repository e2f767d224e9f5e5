// Package wal says what a change is: positions in the write-ahead log ([LSN]), what a read has
// seen ([Snapshot]), and, in the rooms below it, how changes are read from a server and kept.
//
//	slot/       the replication slot and what can be wrong with it
//	stream/     the walsender connection: receives pgoutput messages, confirms what is durable
//	pgoutput/   decoder of the pgoutput protocol, version 2, binary
//	changelog/  our durable copy: segment files of sealed frames
//
// Nothing here knows of jobs, targets or phases.
package wal
