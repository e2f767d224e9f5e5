// Package column turns a block of rows as COPY sends them in binary format from row order into
// column order and back, exactly, without knowing a type: what stands in one column is alike, and
// zstd makes far less of it in that order.
//
// A block is whole tuples of one table: the header of COPY in front or not, the trailer behind or
// not, between them at least one tuple, all of as many fields. [Encoder] leaves everything else
// alone. What a digest protects is the block, never its column order: an encoder of another version
// may choose other ways.
//
// # Layout, version 1, integers big-endian
//
//	size
//	   1  version, 1
//	   1  flags: 1 the trailer of COPY (ff ff) ends the block
//	   2  columns, 1 to 32767
//	   4  rows, at least 1
//	   4  h, length of the header of COPY
//	   h  that header with its extension, as it is
//	      the columns, one after another
//
// A length code is the length of a value plus one; 0 is NULL. Every column begins with its way:
//
//	0 plain         length stream
//	                4  length of all values together
//	                   the values
//	1 planes        length stream
//	                planes of the values, the first byte of a value in the first plane
//	2 delta         length stream; all values are NULL or of one length from 1 to 8
//	                8  base
//	                   planes of the differences, the lowest byte in the first plane
//	3 dictionary    1  number of entries less one
//	                   length codes of the entries, 4 bytes each
//	                   the entries
//	                   one index a row, of 0, 1, 2, 4 or 8 bits, as few as the number of entries
//	                   allows, the first one in the lowest bits
//
// A length stream is the width of a code (0, 1, 2 or 4) and then one code a row in that many byte
// planes, the lowest byte first; or, of width 0, the one code of all rows in 4 bytes. In the ways
// planes and delta the width is 0 or 1, and values have up to 64 bytes.
//
// Planes are as many as the longest value has bytes. Before each eight stands a mask, its lowest
// bit for the first of them. Set: the plane has one byte of each value that is long enough, in the
// order of rows. Clear: it has one byte, which all of those are.
//
// A difference is that of a value, a big-endian number, from the one before, zigzag (0, -1, 1, -2
// ...), in as many bits as a value has. The base stands before the first value. NULLs have none.
//
// # Choice
//
// A [Layout] keeps the way of each column of a table. It is chosen by compressing candidates. Where
// a way does not fit in a block the column is plain there.
//
// # Bounds
//
// A block is no larger than [MaxBlock]. A decoder takes that much memory at most for its output,
// however few bytes ask for it, and for its own work an amount in proportion to the bytes that are
// there.
package column
