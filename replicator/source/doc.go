// Package source is the source end's dealings with the source database, other than reading its WAL:
// sessions, the publication, markers in the WAL, and the fence that stops the wards' writes.
//
// The source is a hospital at work (invariant I9). Whatever is done here takes no lock that a ward
// waits for, and every wait for a lock is bounded.
package source
