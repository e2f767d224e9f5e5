// Package target is the target end: it sits beside the target database and does there what the
// source end asks for. [End] is the whole of it; [Local] is the end in the same process.
//
// Everything that counts is in the database itself, in schema replicator, committed together with
// the data that it speaks of (invariants I2, I6, I7):
//
//	job       the epoch; every transaction of ours checks it, so that of two engines one loses (I11)
//	receipt   one row a chunk
//	position  the LSN up to which changes are applied, one row a shard
//	step      which schema steps have run
package target
