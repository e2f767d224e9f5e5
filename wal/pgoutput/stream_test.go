package pgoutput_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"replicator/checksum"
	"replicator/wal/pgoutput"
)

// streamMode names the golden files of streamed transactions.
const streamMode = "stream"

// TestGoldenStream: streamed transactions, put together, are the same on all versions.
func TestGoldenStream(t *testing.T) {
	for _, version := range versions {
		if *update {
			server, msgs := capture(t, version, streamMode)
			writeGolden(t, version, streamMode, server, msgs)
		}
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			whole, blocks := reassemble(t, readGolden(t, version, streamMode))
			if blocks < 5 {
				t.Errorf("only %d blocks", blocks)
			}
			got := summarize(t, whole)
			if *update && version == versions[0] {
				writeFile(t, "stream.transcript", got)
			}
			want, err := os.ReadFile(filepath.Join(goldenDir, "stream.transcript"))
			if err != nil {
				t.Fatal(err)
			}
			diff(t, string(want), got)
		})
	}
}

// inBlock is a message of a stream block.
type inBlock struct {
	xid uint32
	message
}

// reassemble puts streamed transactions where they commit, without what was rolled back.
func reassemble(t *testing.T, msgs []message) (whole []message, blocks int) {
	open := map[uint32][]inBlock{}
	var m pgoutput.Message
	block := uint32(0)
	for _, raw := range msgs {
		if kind := pgoutput.Kind(raw.data); block != 0 && kind != 'E' {
			xid, msg, err := pgoutput.Unstream(bytes.Clone(raw.data))
			if err != nil {
				t.Fatal(err)
			}
			open[block] = append(open[block], inBlock{xid, message{raw.lsn, msg}})
			continue
		}
		if err := pgoutput.Decode(raw.data, &m); err != nil {
			t.Fatal(err)
		}
		switch m.Kind {
		case 'S':
			if _, known := open[m.Stream.XID]; known == m.Stream.First {
				t.Errorf("block of %d, known %v, first %v", m.Stream.XID, known, m.Stream.First)
			}
			block = m.Stream.XID
			open[block] = append([]inBlock{}, open[block]...)
			blocks++
		case 'E':
			block = 0
		case 'A':
			if m.Stream.SubXID == m.Stream.XID {
				delete(open, m.Stream.XID)
			} else if i := slices.IndexFunc(open[m.Stream.XID], func(b inBlock) bool { return b.xid == m.Stream.SubXID }); i >= 0 {
				open[m.Stream.XID] = open[m.Stream.XID][:i]
			}
		case 'c':
			c := m.Commit
			whole = append(whole, message{raw.lsn, pgoutput.AppendBegin(nil, pgoutput.Begin{FinalLSN: c.CommitLSN, Time: c.Time, XID: m.Stream.XID})})
			for _, b := range open[m.Stream.XID] {
				whole = append(whole, b.message)
			}
			whole = append(whole, message{raw.lsn, pgoutput.AppendCommit(nil, c)})
			delete(open, m.Stream.XID)
		default:
			whole = append(whole, raw)
		}
	}
	if len(open) > 0 {
		t.Errorf("%d transactions did not end", len(open))
	}
	return whole, blocks
}

// summarize is the transcript, with its runs of rows counted.
func summarize(t *testing.T, msgs []message) string {
	var out strings.Builder
	tr := transcriber{t: t, relations: map[uint32]*pgoutput.Relation{}, types: map[uint32]string{}}
	run, n, sum := "", 0, checksum.NewHasher()
	end := func() {
		if n > 0 {
			fmt.Fprintf(&out, "%s %d rows %.8s\n", run, n, sum.Digest())
		}
		run, n, sum = "", 0, checksum.NewHasher()
	}
	described := map[string]bool{}
	var m pgoutput.Message
	for _, raw := range msgs {
		if err := pgoutput.Decode(raw.data, &m); err != nil {
			t.Fatal(err)
		}
		tr.out.Reset()
		tr.atBegin, tr.afterBegin = 0, -1
		tr.message(&m, raw)
		said := tr.out.String()
		switch m.Kind {
		case 'I', 'U', 'D':
			what, values, _ := strings.Cut(said, "\n")
			if what != run {
				end()
			}
			run, n = what, n+1
			_, _ = sum.Write([]byte(values))
			continue
		case 'R', 'Y': // a server repeats them when it likes
			if described[said] {
				continue
			}
			described[said] = true
		}
		end()
		out.WriteString(said)
	}
	end()
	return strings.ReplaceAll(out.String(), "begin\ncommit\n", "") // see the README
}

// TestEncode: what is written is what the servers write.
func TestEncode(t *testing.T) {
	var m pgoutput.Message
	for _, raw := range golden(t) {
		if err := pgoutput.Decode(raw.data, &m); err != nil {
			t.Fatal(err)
		}
		var got []byte
		switch m.Kind {
		case 'B':
			got = pgoutput.AppendBegin(nil, m.Begin)
		case 'C':
			got = pgoutput.AppendCommit(nil, m.Commit)
		default:
			continue
		}
		if !bytes.Equal(got, raw.data) {
			t.Fatalf("%x became %x", raw.data, got)
		}
	}
}

// TestUnstreamCorrupt: what cannot stand in a block.
func TestUnstreamCorrupt(t *testing.T) {
	for _, in := range []string{"", "49", "49000001", "4900000000", "42" + "00000007", "43" + "00000007", "45", "53" + "00000007" + "01", "78" + "00000007"} {
		if _, _, err := pgoutput.Unstream(unhex(t, in)); !errors.Is(err, pgoutput.ErrCorrupt) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// FuzzUnstream: a message put into a block comes out of it as it was; nothing else does.
func FuzzUnstream(f *testing.F) {
	for _, raw := range readGolden(f, 18, streamMode)[:40] {
		f.Add(raw.data)
	}
	var m pgoutput.Message
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = pgoutput.Decode(b, &m)
		was := bytes.Clone(b)
		xid, msg, err := pgoutput.Unstream(b)
		if err != nil {
			if !errors.Is(err, pgoutput.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		back := msg
		if xid != 0 {
			back = append([]byte{msg[0], byte(xid >> 24), byte(xid >> 16), byte(xid >> 8), byte(xid)}, msg[1:]...)
		}
		if !bytes.Equal(back, was) {
			t.Fatalf("%x became %d and %x", was, xid, msg)
		}
		if err := pgoutput.Decode(msg, &m); err != nil && !errors.Is(err, pgoutput.ErrCorrupt) {
			t.Fatal(err)
		}
	})
}
