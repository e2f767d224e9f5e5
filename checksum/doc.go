// Package checksum holds the digests that the engine trusts bytes by, and the fingerprints that it
// compares tables by. The sealed unit of transfer is in frame/.
//
// A [Digest] is the BLAKE3-256 of a stretch of bytes. A row image is what COPY sends of one row;
// [NewRowSplitter] finds the images in its stream. A [Set] is the fingerprint of a multiset of rows
// that does not depend on their order: the sum mod 2^256 of their digests, their number and bytes.
//
// # Verification
//
// A [Fingerprint] is 4,096 Sets, its buckets. A row belongs to the bucket that the hash of its key
// columns names ([KeyHash]); where a table has no key that of the whole row. Each side of a job
// reads its own rows, in any order and any number of parts, and only fingerprints are compared:
//
//	Fingerprint on both sides > Diff: the buckets that differ > (again, of those buckets only:
//	a Selection one level deeper) > Rows of what is left on both sides > Compare: rows by name
//
// A [Selection] says which rows are meant by their key hashes alone, so both sides mean the same
// ones, wherever they lie; [Sample] is one as well. A row is named by its KeyHash and never shown.
//
// # What a fingerprint tells
//
// Two tables with equal fingerprints hold the same multiset of row images. A value changed in any
// column, NULL for empty, a row lost, added or doubled, values swapped between two rows: all change
// the sum. Digests behave as random numbers, so damage, of whatever kind and however much,
// leaves the sum as it was by one chance in 2^256, about 10^-77; where every row in question has 2^k
// copies too many or too few, by 2^k times that. A name is 128 bits long: of four billion rows any
// two have the same by a chance of 2^-65, and then what is said of one is said of both.
//
// It tells nothing of what is not in the image: physical order, indexes, generated columns,
// defaults, sequences. And a sample tells of its rows only: of 5 % of the buckets, damage to one row
// is missed by a chance of 95 %, to 100 rows by 0.6 %.
//
// # Secrets
//
// Without a [Secret] anybody who knows a table's few possible keys finds out whose hash a KeyHash
// is, and somebody who can choose rows can make sums collide: with 32,768 rows of his choice in about
// 2^32 steps (Wagner's generalized birthday). With one, BLAKE3 is keyed and he is left with the chance
// above. So both sides of a verification should share a secret: of the key file, or a random one that
// travels over the link. Fingerprints of different secrets, or of different levels, are not comparable,
// and that is an error and not a difference.
package checksum
