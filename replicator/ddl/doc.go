// Package ddl is what statements that change a table look like in the stream of changes, where the
// source has the event triggers of this package (seed --ddl=replicate).
//
// A message is a logical message with prefix [Prefix], transactional: it stands in the order of commits,
// between the rows of its own transaction, and goes when its savepoint is rolled back. It carries the
// state after the command, never the command's text:
//
//	state     an ordinary table as it is now: columns by their numbers, key, place, marks; or a partitioned
//	          one, and then, one by one, what of its tree the command has changed
//	index     an index that was made, as pg_get_indexdef has it
//	enum      the labels of an enum, in their order
//	rewrite   a table is about to be rewritten, and why
//	dropped   what went
//	failed    something could not be told: SQLSTATE
//
// or it is empty, and only keeps the message before it in its place (see trigger.sql). [Derive] holds a
// state against the table as the plan has it, and gives the statements that make the one of the other.
// Whatever it does not know is a [Refusal], and the job stops before that transaction. Nothing is guessed:
// who runs the statements looks afterwards whether the target's table is the one of the state.
package ddl
