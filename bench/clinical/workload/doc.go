// Package workload writes to the clinical database the way the wards do, until it is told to stop.
//
// Several workers, each with a session of its own, run one act after another. An act is one
// transaction of the hospital's day: an admission, a round of observations, a note that is signed
// (its long body left alone), an order that changes state, a referral that is given a new number,
// two beds that change places, a morning's TRUNCATE. Some acts take back part of their work by
// savepoints, some all of it, and now and then one stays open for seconds.
//
// The workload is a guest: whatever happens to the server, it goes on quietly until its context
// ends. A connection that breaks or is refused is made again; an act that meets a constraint, a
// deadlock, a lock timeout or a read-only database is counted and left ([Stats]). Only an error
// that the wards could not meet (a missing table, a statement that does not fit) ends it.
//
// When the context ends, every worker finishes its act, so that after [Workload.Run] nothing of
// it is under way on the server.
package workload
