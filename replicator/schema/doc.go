// Package schema moves what COPY and WAL do not carry: everything that pg_dump calls the schema,
// and it reads the source's catalog for the plan.
//
// The catalog side answers with plain values: [Tables] is what the plan is made of, [Sequences],
// [MaterializedViews], [ForeignTables], [PartitionedTables], [Owners] and [DatabaseFacts] are what
// the rest of the engine asks for. Which relations are meant is a [Selection], with the patterns
// and the precedence of pg_dump's -t, -T, -n and -N.
//
// The definition side goes through the vendor's own tools, because nobody else knows every kind of
// object: [Dump] writes an archive with pg_dump, [Entries] has pg_restore print it and cuts the
// script into its table-of-contents entries, [Plan] turns entries into [Step]s and puts each in the
// stage of DESIGN.md section 4 that it belongs to. [Compare] does the first two on both sides and
// says what differs.
//
// What a plan does that pg_restore does not: indexes behind constraints come ahead of them;
// identity columns that take no values are opened until the window; checks that call functions are
// away until then (see [Check]); grants come where they are needed, or do no harm (plan_grant.go);
// steps of the window can be undone, for a catch-up that is given up.
//
// Words: an entry is one numbered item of the archive (a table, an index, an ACL) with all its SQL.
// A step is what the executor runs in one transaction, as one owner. A stage is a point in the
// order of work: pre, table, unique, constraints, foreign, validate, late, finish.
package schema
