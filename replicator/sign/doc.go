// Package sign signs reports with Ed25519 and verifies them, in the format of minisign
// (https://jedisct1.github.io/minisign): whoever must check a report in ten years needs the report,
// its signature, the public key and one small program that others keep, not this one.
//
//	replicator report verify FILE --public-key KEY       or       minisign -V -m FILE -p KEY
//
// A [Key] signs a file. What it signs is the file's BLAKE2b digest, and with it a [Statement]: the
// format's trusted comment, one line that says which job, how it ended and when. The signature lies
// beside the file as FILE.minisig:
//
//	untrusted comment: signature of a replicator report, key 5A6B...
//	base64: "ED", key ID, Ed25519 of the file's BLAKE2b-512
//	trusted comment: replicator report v1 job:emr outcome:open time:... fence:... operator:...
//	base64: Ed25519 of the signature above and the trusted comment
//
// # What it proves
//
// That the file and its statement are byte for byte what the holder of the key signed. Who that is,
// only the way tells by which the public key came: one that lies beside the report can be replaced
// together with it, and then proves integrity, but not origin. A site that wants both takes the public key
// away from the machine before the window, or signs with a key of its own.
//
// A job's own key lies in its store, with the same user's rights as the engine's: it protects a
// report from the day after, not from who ran the catch-up.
//
// # Words
//
// Key ID: eight bytes that name a key, a hint and no proof. Statement: the trusted comment.
package sign
