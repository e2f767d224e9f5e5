// Package verify proves, while both sides are live, that source and target hold the same rows: table
// by table, each as of one LSN.
//
// [Run] takes the tables in groups. For a group the [Job] brings both sides to one point of history and
// opens a snapshot of each ([Job.Align]); from then on nobody waits for anybody, and fingerprints of
// the rows are compared at leisure (package checksum). Where they differ the rows are looked for by
// hashes, bucket by bucket, and named by the hash of their key. What is there to repair is copied
// from the source at another such point, and compared again.
//
// A run that was killed goes on with the tables that it had not compared.
package verify
