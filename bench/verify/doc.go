// Command verify measures what it costs to prove two databases equal.
//
//	read   one database is read whole, by as many sessions: for fingerprints as verify does it, by raw
//	       binary COPY to nowhere, which is the limit, and by sum(hashtext(t::text)), which is what
//	       people write by hand. Both sides of a verification read at that speed, side by side.
//	fence  a job is seeded and verified, then keys change, then it catches up with --verify changed: the
//	       time from the fence to the opening, in a small database and in one of ten times its rows.
//
// Everything runs interleaved. Needs PostgreSQL's programs and, as root, the OS user postgres.
package main
