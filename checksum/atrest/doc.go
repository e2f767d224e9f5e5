// Package atrest seals what the engine leaves on its own disk: change log and store hold rows of
// the source. Who has the disk, a backup of it or a broken drive, but not the key file, learns how
// much there is and when it came, and nothing of what it says.
//
// A [Key] is the 32 bytes of a key file ([Load]). It encrypts nothing itself: for every purpose, and
// there for everything that has an identity of its own (a segment of the change log, a store), a key
// is derived from it with BLAKE3's key derivation ([Key.Box], [Key.Sum]). So one file may serve
// several jobs, and bytes moved from one place to another do not open there.
//
// A [Box] is AES-256-GCM with random 96-bit nonces. A counter would have to be remembered across
// crashes, and exactly there it fails: the log rewrites its last segment after a crash, and a write
// that a full disk refused is tried again with other contents at the same place, so that a sequence
// number or an offset comes twice. Random nonces need nothing to be remembered, but one key may seal
// no more than 2^32 messages (NIST SP 800-38D, 8.3: the odds of a repetition are then 2^-32). A
// segment of 64 MiB has some hundred thousand frames at most, and a store is written a few thousand
// times an hour: with a key of their own neither comes near.
//
// What this is not: a defence against somebody who can write to the disk. What was changed does not
// open, but an older state of the whole directory put back is a matter for the slot and the target,
// who know how far they were (invariants I7 and I10).
package atrest
