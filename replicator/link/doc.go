// Package link carries the target end across a WAN: [Remote] is a target.End at the source's site,
// [Server] the service beside the target database that does what it asks. The source end dials out.
//
// # Connections
//
// Each is TCP with TLS 1.3 and certificates on both sides (package pki), and begins with a preamble
// and a hello that says which job it is for. There is no multiplexer; TCP does the flow control.
//
//	control  one: calls and their results, pings. Its end is the end of all the others.
//	data     up to Config.Streams: chunks. One chunk, or batch of large objects, at a time has a
//	         connection to itself; while it commits, the next one is on its way already.
//	follow   one while changes are applied: frames of the change log as they lie on disk, in commit
//	         order; progress comes back
//	measure  for replicator bench: frames that are opened and thrown away; no database is asked
//
// # Preamble and messages
//
// The preamble is the 16 bytes "replicator link\n" and the version, 2 bytes; either side that meets
// another version says so and names both. Everything after it is messages. Version 3, integers
// big-endian:
//
//	offset size
//	     0    4  magic "rpM1"
//	     4    1  kind
//	     5    1  flags: 1 the body is one zstd frame
//	     6    2  zero
//	     8    8  length of the body
//	    16    8  epoch of the job as the sender knows it, 0 before it is opened
//	    24    8  sequence number, counted from 1 on each connection and in each direction
//	    32    8  call that the message belongs to; a chunk and a following are calls, too
//	    40   32  BLAKE3 over the binding, the first 40 bytes, and the body unless it is a frame,
//	             which has a digest of its own
//	    72       body: JSON, or a sealed frame (Rows, Changes)
//
// The binding is 32 bytes made of what TLS knows of this connection alone (keying material, RFC 9266), of
// who sends, and after the welcome of the job and the engine's instance: a message of another
// connection, of the other direction, for another job or another engine fails its digest. A sequence number that was there already is a
// replay and is ignored; one that leaves a gap, and any damage, ends the connection. Another epoch
// than the job's is refused (invariant I11).
//
// # What survives what
//
// A [Remote] is one engine instance. The server keeps what it knows of an instance (a session) while
// its connections come and go:
//
//	link cut             calls wait, and go on at the server; chunks and the following that were on
//	                     their way are rolled back and sent again by the engine
//	server restarted     calls fail as lost; the epoch is taken up again, nothing else is remembered
//	engine restarted     its Open ends the old instance's session, as soon as that is detached
//	frame damaged        the chunk or the following is refused with frame.ErrCorrupt, counted, and
//	                     sent again
//
// Nothing that counts is in memory: chunks count by receipts and changes by the position row, in the
// target database (I2, I6, I7).
package link
