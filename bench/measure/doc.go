// Package measure is what our benchmarks have in common: how long, how many bytes, how much CPU,
// and one shape for the results, as a table for people and as JSON for machines.
//
// A benchmark fills a [Report] with groups. A [Group] is the same work under the same conditions,
// done by several [Subject]s; each has a role: "ours", a "peer" that we are compared with, or a
// "reference" that shows what is possible and is not compared with. A subject has [Run]s, and a
// run has [Values]: numbers under names that carry their unit, as wire_bytes or tool_cpu_seconds.
// Medians are taken name by name.
//
// Whoever compares subjects runs them interleaved, so that a machine's mood hits all: [Interleave].
package measure
