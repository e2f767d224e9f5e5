// Package peer drives the tools that people move a PostgreSQL database with today, so that our
// benchmarks can run them beside replicator: pgcopydb, PostgreSQL's own logical replication, pg_dump
// and pg_restore, psql. It also tells whether what arrived is what was sent.
//
// Words: a tool runs programs and adds up what they use. A stage is one program of a pipeline. A
// server is one of ours with what a benchmark asks of it. A move is one database on its way from a
// server to another. The state of a database is what must be equal at the end.
package peer
