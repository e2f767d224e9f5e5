package check

import (
	"context"
	"fmt"
)

// The versions that the engine is written for and tested on.
const (
	oldest = 14
	newest = 18
)

// soundMinor is the first minor release of each major version whose logical decoding neither loses
// changes when a publication is made beside open transactions nor fails on its own bookkeeping
// (bugs #18938 and #18942). Versions that are not here have it from their first release.
var soundMinor = map[int]int{14: 19, 15: 14, 16: 10, 17: 6}

// faultyMinor gives the first sound minor release for a version whose decoding has known faults.
func faultyMinor(version int) (sound string, faulty bool) {
	major, minor := version/10000, version%10000
	first, listed := soundMinor[major]
	if !listed || minor >= first {
		return "", false
	}
	return fmt.Sprintf("%d.%d", major, first), true
}

func (r *run) versions(context.Context) error {
	for _, s := range r.sides() {
		r.version(s)
	}
	return nil
}

func (r *run) minorRelease(context.Context) error {
	if sound, faulty := faultyMinor(r.src.Version); faulty {
		r.add(Finding{ID: "minor-release", Level: r.risk(), Side: Source, Subject: "minor release",
			Text: fmt.Sprintf("PostgreSQL %s has known faults in logical decoding: it can lose changes or fail while decoding", r.src.Release),
			Hint: fmt.Sprintf("update the server to %s or newer; --accept-risk goes on without", sound)})
	} else {
		r.ok("minor-release", Source, "minor release", "no known fault in logical decoding")
	}
	return nil
}

func (r *run) downgrade(context.Context) error {
	if r.dst.major() < r.src.major() {
		r.add(Finding{ID: "downgrade", Level: Must, Side: Both, Subject: "major versions",
			Text: fmt.Sprintf("the target is older (%d) than the source (%d)", r.dst.major(), r.src.major()),
			Hint: fmt.Sprintf("set up a target of version %d or newer", r.src.major())})
	} else {
		r.ok("downgrade", Both, "major versions", "from %d to %d", r.src.major(), r.dst.major())
	}
	return nil
}

func (r *run) version(s *side) {
	switch major := s.major(); {
	case major < oldest:
		r.add(Finding{ID: "version", Level: Must, Side: s.name, Subject: "version",
			Text: fmt.Sprintf("PostgreSQL %s is older than %d", s.Release, oldest),
			Hint: fmt.Sprintf("versions %d to %d are supported", oldest, newest)})
	case major > newest:
		r.add(Finding{ID: "version", Level: r.risk(), Side: s.name, Subject: "version",
			Text: fmt.Sprintf("PostgreSQL %s is newer than this program was tested with", s.Release),
			Hint: fmt.Sprintf("versions %d to %d are supported; --accept-risk goes on", oldest, newest)})
	default:
		r.ok("version", s.name, "version", "PostgreSQL %s", s.Release)
	}
}

// standby: a standby's snapshots do not list the transactions in progress, and it takes no publication.
func (r *run) standby(context.Context) error {
	for _, s := range r.sides() {
		if s.recovery {
			r.add(Finding{ID: "standby", Level: Must, Side: s.name, Subject: "primary",
				Text: "the server is a standby", Hint: "give the primary's address"})
		} else {
			r.ok("standby", s.name, "primary", "the server is a primary")
		}
	}
	return nil
}
