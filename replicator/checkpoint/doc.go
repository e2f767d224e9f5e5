// Package checkpoint is the engine's local store, a Pebble database in the state directory: what the
// target cannot know. The plan (tables and chunks), the receipts as the target was last seen to
// have them, and a few named values: the job's record, the slot, the marker, the fence.
//
// Every write but that of a receipt is synced before it returns. Keys are a kind and ordinals, never names or values of
// the source's data:
//
//	0x00                      format: version 1, or version 2 and what proves the key, see seal.go
//	0x01 table:4              Table, JSON
//	0x02 table:4              []Chunk of that table, JSON
//	0x03 table:4 chunk:4      Receipt, JSON
//	0x04 name                 named value, JSON
//	0x05                      number of tables in the plan; written last, so that the plan is whole or not there
//	0x06                      number of writes acknowledged; the file GUARD has it too
//	0x07 table:4 key hash     row that changed since its table was proved equal, see Touched
//
// A plan that is there changes in one way only: Replan puts other entries in place of some tables'.
//
// With a key (Options.Key) every value but the format's is encrypted; keys and the file GUARD say how
// many tables, chunks and writes there are. A value opens only under its own key of its own store.
//
// One process has the store open; the lock is the operating system's (invariant I11).
package checkpoint
