// Package checksum holds the digests that the engine trusts bytes by: BLAKE3-256 of a stretch of
// bytes ([Digest]) and, for tables, a fingerprint of a set of rows that does not depend on their
// order ([Set]), and finds the row images in what COPY sends ([NewRowSplitter]). The sealed unit of transfer is in frame/.
package checksum
