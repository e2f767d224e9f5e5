// Package apply brings the target forward: it reads the change log and turns it into target
// transactions, each carrying the position that it reaches (invariant I6).
//
// Words of this room:
//
//	window    whole source transactions that one target transaction applies; it ends at a limit,
//	          at a marker, or as soon as the source has nothing more to give
//	change    one row change that is due: visible transactions are filtered out (invariant I3)
//	segment   the changes of a window between two barriers (TRUNCATE, a relation that changed)
//	fold      the net effect of a segment per (table, key): nothing, delete, update, insert, or
//	          delete and insert
//	set path  the folded segment as set operations: per table deletes, then updates, then inserts
//	replay    the segment's changes one by one, in the order of the source
//	piece     a part of a transaction that is larger than a window: applied under a savepoint of
//	          its own, inside one target transaction
//	marker    a logical message with the prefix "replicator"; its content is its name
//
// How a change travels: [Source] gives a sealed frame, the intake opens it one step ahead, the
// window keeps its row changes (the values still point into the frame), the fold reduces them,
// the statements send them. Nothing is copied per value until the bytes of a parameter array or
// of COPY are built.
//
// Replay is always right, only slow; the set path is right whenever it succeeds. So whatever the
// fold cannot express (a key that moves while a TOAST value is not known), and whatever a set
// operation stumbles over (a unique value that moves between rows), is rolled back and replayed.
// When replay fails as well the target differs, and apply stops: nothing is skipped.
//
// The target's position row is the truth. Every transaction first locks the job's row (fencing,
// invariant I11) and the position row, and is rolled back unless the position is the one that the
// window starts from. So a COMMIT with unknown outcome is settled by reading the row again.
package apply
