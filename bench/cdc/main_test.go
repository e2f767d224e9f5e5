package main

import (
	"encoding/binary"
	"testing"

	"replicator/bench/smoke"
)

// TestCount tells row changes from the rest, and the commit at which the reading ends.
func TestCount(t *testing.T) {
	t.Parallel()
	msg := func(body ...byte) []byte { return append(append([]byte{'w'}, make([]byte, 24)...), body...) }
	commit := func(end uint64) []byte {
		return msg(append(make([]byte, 0, 32), append([]byte{'C', 0, 0, 0, 0, 0, 0, 0, 0, 0}, binary.BigEndian.AppendUint64(nil, end)...)...)...)
	}
	for _, tt := range []struct {
		name    string
		msg     []byte
		changes int64
		last    bool
	}{
		{"insert", msg('I', 1), 1, false}, {"update", msg('U', 1), 1, false}, {"delete", msg('D', 1), 1, false},
		{"begin", msg('B', 1), 0, false}, {"keepalive", []byte("k12345678123456789"), 0, false}, {"cut off", []byte("w"), 0, false},
		{"commit before", commit(100), 0, false}, {"commit beyond", commit(101), 0, true}, {"commit cut off", msg('C', 0), 0, false},
	} {
		var changes int64
		if last := count(tt.msg, 100, &changes); last != tt.last || changes != tt.changes {
			t.Errorf("%s: %d changes, last %t", tt.name, changes, last)
		}
	}
}

func TestChosen(t *testing.T) {
	t.Parallel()
	for word, want := range map[string]int{"": 7, "native": 4, "decode": 2, "binary": 3, "replicator": 1} {
		o := &options{}
		if word != "" {
			o.subjects = []string{word}
		}
		if got := o.chosen(wards()); len(got) != want {
			t.Errorf("%q chose %d subjects", word, len(got))
		}
	}
}

// TestSmoke drains a small backlog once, and holds the target against the source.
func TestSmoke(t *testing.T) {
	t.Parallel()
	smoke.Run(t, func(args []string) error { return command().Run(t.Context(), args, t.Output(), t.Output()) },
		"--scenario", "clinical", "--scale", "0.0001", "--runs", "1", "--no-fsync", "--subject", "replicator")
}
