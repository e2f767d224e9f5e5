// Package frame is the sealed unit of transfer: a header and a payload, the payload compressed or
// not, the digest always that of the raw bytes. A frame is sealed once at the source end and opened
// once at the target end; change-log frames on disk are the frames on the wire.
//
// Layout, version 1, integers big-endian:
//
//	offset size
//	     0    4  magic "rpF1"
//	     4    1  kind (Rows, Changes)
//	     5    1  encoding of the payload (Plain, Zstd)
//	     6    2  zero
//	     8    8  sequence number, counted by the sender
//	    16    8  first LSN (Changes), else 0
//	    24    8  last LSN (Changes), else 0
//	    32    4  raw length
//	    36    4  payload length
//	    40   32  BLAKE3-256 over the first 40 bytes followed by the raw bytes
//	    72       payload
package frame
