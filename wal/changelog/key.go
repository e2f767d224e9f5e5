package changelog

import (
	"replicator/checksum"
	"replicator/checksum/atrest"
)

// headerDigest is that of the header in b. With a key only who has the key can compute it: it says
// that the key is the right one before a frame is looked at.
func headerDigest(b []byte, k *atrest.Key) checksum.Digest {
	if k == nil {
		return checksum.Sum(b[:segmentDigest])
	}
	return k.Sum("change log, header of a segment", b[:segmentDigest])
}

// keyMark tells a segment of another key from a damaged one. Only the message depends on it.
func keyMark(k *atrest.Key) []byte {
	sum := k.Sum("change log, mark of the key", nil)
	return sum[:4]
}

// keyError says that a segment was made with another key, or with one, or without. It is the
// operator's mistake only if no segment opens.
type keyError struct{ says, hint string }

func (e *keyError) Error() string { return e.says }

var (
	errNeedsKey = &keyError{"is sealed with a key file", "give --key-file, or REPLICATOR_KEY_FILE, as when the job was begun"}
	errHasNoKey = &keyError{"was begun without a key file", "leave --key-file out; to seal what lies on this disk begin a new job in another --dir"}
	errOtherKey = &keyError{"is sealed with another key file", "give the --key-file that the job was begun with"}
)
