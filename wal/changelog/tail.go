package changelog

import (
	"bytes"
	"fmt"
	"slices"

	"replicator/wal"
	"replicator/wal/pgoutput"
)

// tail is where the log stands after a record.
type tail struct {
	position wal.LSN // end of the last commit, or the last mark
	open     bool    // a transaction is open
}

// check refuses a message that cannot follow: such a log could not be applied exactly once.
func (t *tail) check(msg []byte) error {
	if _, ok := pgoutput.BeginFinal(msg); ok && t.open {
		return fmt.Errorf("append to change log: Begin within a transaction, after %s", t.position)
	}
	end, ok := pgoutput.CommitEnd(msg)
	switch {
	case !ok:
		return nil
	case !t.open:
		return fmt.Errorf("append to change log: Commit %s without a Begin, after %s", end, t.position)
	case end <= t.position:
		return fmt.Errorf("append to change log: Commit %s is not after %s", end, t.position)
	}
	return nil
}

// record moves t past a record and reports whether a transaction ended with it.
func (t *tail) record(kind RecordKind, lsn wal.LSN, msg []byte) (ended bool) {
	switch kind {
	case Mark:
		if !t.open {
			t.position = max(t.position, lsn)
		}
	case Restart:
		ended, t.open = t.open, false
	case Message:
		if _, ok := pgoutput.BeginFinal(msg); ok {
			t.open = true
		} else if end, ok := pgoutput.CommitEnd(msg); ok {
			t.position, t.open, ended = max(t.position, end), false, true
		}
	}
	return ended
}

// relations is the latest Relation and Type messages, by kind and id: what a segment's preamble
// repeats. Its size follows the number of tables that have changed.
type relations map[relation][]byte

type relation struct {
	kind byte
	id   [4]byte
}

func (r relations) record(kind RecordKind, msg []byte) {
	if k := pgoutput.Kind(msg); kind != Message || k != 'R' && k != 'Y' || len(msg) < 5 {
		return
	}
	key := relation{kind: msg[0], id: [4]byte(msg[1:5])}
	if !bytes.Equal(r[key], msg) {
		r[key] = bytes.Clone(msg)
	}
}

// messages are all of r, types before the relations that use them.
func (r relations) messages() [][]byte {
	all := make([][]byte, 0, len(r))
	for _, m := range r {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b []byte) int {
		if a[0] != b[0] {
			return int(b[0]) - int(a[0]) // 'Y' before 'R'
		}
		return bytes.Compare(a, b)
	})
	return all
}
