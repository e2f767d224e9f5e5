// Package pgoutput decodes what PostgreSQL's logical decoding plugin of that name writes: protocol
// version 2, streaming off, values in binary or text.
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
// The control messages of streamed transactions are decoded, so that a caller can name what it
// refuses. The rows inside of a stream block carry a transaction id which is not read here: they
// must not be passed to Decode until the caller knows streams.
package pgoutput
