// Command wan measures how a database moves between two sites, beside the tools that people use
// for it today:
//
//	  network namespace source                        network namespace target
//	+-------------------------+                     +--------------------------------+
//	| PostgreSQL 10.213.77.1  |                     | PostgreSQL 10.213.77.2         |
//	| tools of that site      |--veth====tbf====veth--| proxy (distance) | its tools |
//	+-------------------------+                     +--------------------------------+
//
// The rate is the kernel's: a token bucket on each end of a veth pair. The distance is the proxy's
// (package proxy), which stands at the target, so that bytes under way have already crossed the wire; a round
// trip of 0 goes without it. The benchmark itself is in neither namespace: it reaches both servers
// through their sockets, and looks at the wire through the counters of the veth.
//
// Everything runs interleaved and on fresh target databases. What has moved is compared with the
// source, table by table; a run that moved something else fails the benchmark.
//
// Needs root, ip, tc and ethtool, PostgreSQL 15 of Debian with its client programs, zstd, and bin/replicator.
// pgcopydb takes part where it is installed.
//
// Words: a site is a namespace with its server. A link is the wire with rate and distance. A subject is one way of
// moving a database; a scenario is a question that is put to subjects.
package main
