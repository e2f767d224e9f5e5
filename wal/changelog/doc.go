// Package changelog is our durable copy of the decoded WAL. It stands between the walsender and
// apply: what it has synced may be confirmed to the slot (invariant I4), what the target has applied
// may be trimmed from it (I5).
//
// A record is a pgoutput message, a mark (everything before this LSN has been received, nothing is
// open) or a restart (the transaction that was open will come again from its Begin). Records are
// gathered into frames (checksum/frame), frames into segments. A transaction may span frames and
// segments. The position of the log is the end LSN of the last commit, or the last mark.
//
//	received  in memory, gone with the process       Appended
//	synced    on disk, its frame's digest checked    Durable
//	trimmed   its segment is unlinked                before Oldest
//
// # Files
//
// A segment is the file NUMBER.seg, 16 hex digits counted from 1: a header, a preamble, frames. The
// preamble is frames as well; it repeats the latest Relation and Type messages known so far, so that
// a reader may begin at any segment. Integers are big-endian:
//
//	offset size
//	     0    4  magic "rpL1"; "rpL2" in a log with a key
//	     4    4  zero; mark of the key
//	     8    8  number of the segment
//	    16    8  sequence number of its first frame; frames are counted through the whole log
//	    24    8  position of the log where the segment begins
//	    32    8  number of the segment that holds the Begin of the transaction open here, 0 if none is
//	    40    8  length of header and preamble
//	    48    8  previous segment: position after its first commit, 0 if it has none
//	    56    8  previous segment: length of the file
//	    64   32  BLAKE3 of the job's name
//	    96   32  chain: BLAKE3 of the previous segment's header digest and of its frames' links
//	   128   32  BLAKE3 of the 128 bytes before; with the key in it
//	   160
//
// The link of a frame is its digest.
//
// In a log with a key (Options.Key) frames lie in a coat, see coat.go, and a frame's link is the
// coat's tag and 16 zero bytes. Headers hold no rows and stay readable. What Reader gives is the frame
// as it was sealed, with a key or without.
//
// # Crashes and damage
//
// A segment is made under the name NUMBER.tmp, synced, renamed and the directory synced before
// anything else is written to it, and the segment before it is synced first. So only frames at the
// end of the last segment can be torn. Open writes what it finds valid there to a new file: after a
// failed fsync the page cache may show bytes that never reached the disk.
//
// A frame that fails its digest is a torn tail only if nothing behind it proves otherwise: a later
// frame with the flag Synced was sealed when the damaged one was on disk, perhaps confirmed. That is
// corruption, as is every damage anywhere else; it stops the job and is never skipped. What is cut
// may still have been confirmed if the disk lost what it had synced: after Open compare Durable with
// the slot (I10).
//
// # Spool
//
// A transaction that the source streams before it commits is kept in the [Spool] until its end is
// known: in files XID.NUMBER.spool beside the segments, sealed as the log's frames are, under the
// log's budget. When it commits it is replayed into the log as if it had come whole, without what was
// rolled back, so that whoever reads the log meets transactions in the order of their commits and
// nothing else. Each file goes when it has been replayed: a transaction never takes more than one
// file's worth above its own size.
//
// The spool is not durable and is never fsynced. A connection begins with an empty one: the slot
// holds the WAL of every transaction whose commit was not confirmed, and has the source stream it
// again from its beginning. So the spool has no part in what may be confirmed (I4), and what a crash
// leaves of it is removed by Open.
//
// Why the rows are not put into the log as they come, to cross to the target's site before the
// commit: then readers, apply, the verification, trimming and the other site's memory would all have
// to deal with pieces of transactions in the order of nothing, some of them void, and a position
// could no longer be one LSN. What hurts the source, its spill files and the walsender's rush at the
// commit, is spared it either way. The price is that a large transaction is written here twice.
//
// A log has one writer process; the store's lock sees to that.
package changelog
