// Package check answers "can this database be moved, and what must be done first?" and prints the
// roles and grants that a move needs.
//
// [Run] looks at both databases and makes a [Report]: findings and a plan. A [Finding] is ok, a note
// or must fix. Where SQL mends it the finding carries that SQL, exact, for a DBA to run: running it
// makes the finding go away. What SQL cannot mend has a hint. The plan says how each table will be
// cut, and guesses how long the move takes.
//
// Everything is read from catalogs and statistics, over read-only sessions with bounded waits for
// locks; nothing is written on either side. A hundred thousand tables take seconds, because every
// question is asked once for all tables and never once a table; only the plan samples large tables,
// a few pages each.
//
// [SourceSetup] and [TargetSetup] print what a superuser runs once: the least rights with which the
// engine works without being a superuser.
//
// Words: a side is the database that a finding is about. A published table's changes come in the WAL
// stream; a late one is copied at the fence. An owner role owns objects that move, so the target role
// must be a member of it.
package check
