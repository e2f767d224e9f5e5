// Package largeobject moves large objects (pg_largeobject) and keeps them equal: content, owner,
// rights, comment.
//
// # Rounds
//
// Logical decoding does not show large objects and no trigger can stand on a catalog. So they go in
// rounds: the OIDs are cut into ranges, each range is listed on both sides ([Read]), and what
// differs is written, altered or removed on the target ([Compare], [Writer]). A round may be repeated
// at any time, and one that was killed has done what its transactions committed. Rounds run beside
// the copy and the changes and know nothing of their order: before the fence an object may be older
// or younger on the target than the rows that name it. At the fence the last round is repeated until
// no range differs.
//
// # What is compared
//
// Content is compared by SHA-256, which each server takes of its own pages: only lists cross the link.
// Zeros at the end of a page and pages that are missing are one and the same to whoever reads an
// object, and to the digest; the size counts. Holes of the source are holes on the target.
//
// Rights are compared as who may do what and grant it on. Who granted them is not carried: on the
// target it is the owner.
//
// # What changed
//
// A digest costs the server several times what a look at its pages costs. So a range that was found
// equal keeps a [Mark] of each side, and is read again only where the side cannot show that nothing
// has changed since: with S the snapshot of the mark, and x the lowest transaction that S did not see
// ended,
//
//	no page that is visible now was written by x or a later transaction, and
//	there are as many pages now as there were then.
//
// Every page visible now was then committed before S, and has not been removed since: S showed it, too.
// So these pages are among those of S, and as many: they are the same. Pages that vanish show in the
// number, those that change or come in their transaction. A mark counts only
//
//   - once the server's WAL is on disk up to it: no crash takes back what S saw committed,
//   - as long as the server was not started again: one that was set back, or a standby that took over,
//     was,
//   - for 2^31 transactions: xids are compared by their age.
//
// PostgreSQL keeps no index by transaction: the pages are read for that, they are not sent and not
// hashed.
//
// # Writing
//
// An object is written whole in one transaction, small ones many at a time ([Batch]): unlinked if it
// stood, made anew, filled piece by piece, given to its owner. Nobody ever sees half of one. Pages come
// as COPY gives them, in sealed frames; neither end holds more than a frame and a piece.
//
// # Rights
//
// pg_read_all_data, which both roles of the setup have, reads the pages on every version from 14 to
// 18; lo_get would ask every object. Writing takes no right, giving away takes membership in the owner
// as for tables.
package largeobject
