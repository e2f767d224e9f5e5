// Package pgoutput decodes what PostgreSQL's logical decoding plugin of that name writes: protocol
// version 2, values in binary or text, transactions whole or streamed.
//
// A message is one transaction's Begin or Commit, one row's Insert, Update or Delete, a Truncate, a
// Relation or Type that describes what follows, an Origin, or a logical message that somebody put
// into the WAL. A tuple is a row as it travels: one [Value] a column, in the order of the last
// [Relation] with that id. Old tuples are the key ('K') or the whole row ('O', identity full).
//
// [Decode] fills a [Message] that the caller keeps: nothing is allocated for a row, and values alias
// the bytes that were decoded. Anything that is not exactly a message is [ErrCorrupt]; such bytes
// come from a broken disk or a server that we do not know, and are never skipped.
//
// [Kind], [BeginFinal], [CommitEnd] and [RelationID] look at a message without decoding it, for
// those who only pass it on.
//
// # Streamed transactions
//
// With streaming on, the server sends what it has of a large transaction before it knows how that
// ends, in blocks from Stream Start (S) to Stream Stop (E). Blocks of several transactions come one
// after another, and whole transactions between them, but never one inside another. At the end comes
// Stream Commit (c), or Stream Abort (A) of the whole or, at any time outside a block, of a
// subtransaction.
//
// Inside a block every message but Origin carries, behind its kind, the id of the subtransaction that
// made it, or of the transaction itself. [Unstream] takes it out, and what is left is the message as
// it would have come without streaming: only that may be given to [Decode]. [AppendBegin] and
// [AppendCommit] write the frame of a transaction that a Stream Commit has completed.
package pgoutput
