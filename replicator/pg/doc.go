// Package pg opens sessions to PostgreSQL the way every part of the engine needs them, and keeps
// row values out of errors.
//
// A [Conn] is a pgconn connection with settings pinned ([Config]), all server-side timeouts off,
// writes allowed whatever the role or the database says, and one owner goroutine. Its errors are
// [Error]: SQLSTATE, condition and object names, never the server's message, detail, hint or
// context, because those carry patient data (invariant I12). Whatever speaks to PostgreSQL goes
// through this package; the raw connection is reached only through Raw, for the few callers that
// need the wire (COPY, pipelines, replication), and they pass their errors through [Clean].
package pg
