// Package cluster starts throw-away PostgreSQL servers for tests, benchmarks and the demo.
//
// A cluster is one server with its own data directory, port and unix socket, made from a template
// data directory that initdb fills once per server version ([Config.Cache]). It listens on
// 127.0.0.1, trusts everybody there, and is set up as a source and as a target of logical
// replication. Linux only.
//
// The server is a direct child of this process and dies with it, however this process ends; its
// directory, if nobody removed it, is swept by the next [Start]. PostgreSQL refuses to run as
// root, so root runs it as the OS user postgres and everybody else as himself.
//
// Words: a version is a PostgreSQL major version (14 to 18). Server files are bin, lib and share
// of one version: Debian's below /usr/lib/postgresql, or those that testdata/servers/install put
// into a servers directory ([Config.Servers]). A stop mode is pg_ctl's: "smart", "fast" or
// "immediate", the last being a crash.
package cluster
