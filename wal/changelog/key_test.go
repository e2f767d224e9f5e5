package changelog

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/atrest"
	"replicator/checksum/frame"
	"replicator/replicator/fault"
	"replicator/wal"
)

// frames reads the log from its beginning.
func frames(t *testing.T, o Options) (all [][]byte) {
	t.Helper()
	l := open(t, o)
	r, err := l.Reader(100)
	check(t, err)
	for {
		sealed, err := r.Next(ended(t))
		if errors.Is(err, errEnd) {
			break
		}
		check(t, err)
		all = append(all, bytes.Clone(sealed))
	}
	check(t, r.Close())
	check(t, l.Close())
	return all
}

// files are the bytes of every file of a log.
func files(t *testing.T, fs vfs.FS) map[string][]byte {
	t.Helper()
	names, err := fs.List(dir)
	check(t, err)
	all := map[string][]byte{}
	for _, n := range names {
		all[n] = contents(t, fs, fs.PathJoin(dir, n))
	}
	return all
}

// refused wants an error of who typed the command, on one line, and the files as they were.
func refused(t *testing.T, what string, o Options, says string) {
	t.Helper()
	before := files(t, o.FS)
	_, err := Open(o)
	if fault.CodeOf(err) != fault.Usage || fault.HintOf(err) == "" || errors.Is(err, ErrCorrupt) {
		t.Errorf("%s: exit code %d: %v", what, fault.CodeOf(err), err)
	} else if !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: says %q", what, err)
	}
	for name, b := range files(t, o.FS) {
		if !bytes.Equal(b, before[name]) {
			t.Errorf("%s: %s was changed", what, name)
		}
	}
}

// TestKeyRefused: a log opens with the key it was begun with, and otherwise stays as it is.
func TestKeyRefused(t *testing.T) {
	other := secret
	other[0]++
	for name, form := range map[string]form{"clear": options, "key": withKey} {
		fs := newFS(t)
		o, ends, segs := logbook(t, fs, form)
		wrong := o
		if o.Key == nil {
			wrong.Key = atrest.New(secret)
			refused(t, name, wrong, "without a key file")
		} else {
			wrong.Key = nil
			refused(t, name, wrong, "with a key file")
			wrong.Key = atrest.New(other)
			refused(t, name, wrong, "another key file")
		}
		if durable, err := outcome(t, o, ends); err != nil || durable != ends[len(ends)-1] {
			t.Errorf("%s: opened rightly: durable %s of %d segments, %v", name, durable, len(segs), err)
		}
	}
}

// TestDamagedMark: it looks like another key, but not behind a segment that opens.
func TestDamagedMark(t *testing.T) {
	fs := newFS(t)
	o, ends, segs := logbook(t, fs, withKey)
	for i, s := range segs {
		path := fs.PathJoin(dir, segmentName(s.number))
		whole := contents(t, fs, path)
		b := bytes.Clone(whole)
		b[5] ^= 16
		put(t, fs, path, b)
		if i == 0 {
			refused(t, "mark of the first segment", o, "another key file")
		} else {
			_, err := outcome(t, o, ends)
			wantCorrupt(t, "mark", err, segmentName(s.number))
		}
		put(t, fs, path, whole)
	}
}

// TestFramesAreTheSame: what a reader gets does not depend on the key.
func TestFramesAreTheSame(t *testing.T) {
	var got [2][][]byte
	for i, form := range []form{options, withKey} {
		o := form(newFS(t))
		o.SegmentBytes, o.Compress = 1<<40, true
		l := open(t, o)
		for end := wal.LSN(200); end < 3000; end += 100 {
			check(t, l.Append(t.Context(), end, begin(end-1, 1)))
			check(t, l.Append(t.Context(), end, relationMessage(7, "ward")))
			check(t, l.Append(t.Context(), end, insert(7, strings.Repeat("bed", int(end)))))
			check(t, l.Append(t.Context(), end, commit(end)))
			synced(t, l)
		}
		check(t, l.Close())
		got[i] = frames(t, o)
	}
	if len(got[0]) < 20 || !slices.EqualFunc(got[0], got[1], bytes.Equal) {
		t.Errorf("%d frames without a key, %d with one", len(got[0]), len(got[1]))
	}
}

// TestNothingReadable: with a key no file holds a row, the name of a relation, the digest of a frame
// or the key; without one they are all found.
func TestNothingReadable(t *testing.T) {
	for name, form := range map[string]form{"clear": options, "key": withKey} {
		fs := newFS(t)
		o := form(fs)
		l := open(t, o)
		for end := wal.LSN(200); end < 4000; end += 100 {
			check(t, l.Append(t.Context(), end, begin(end-1, 1)))
			check(t, l.Append(t.Context(), end, relationMessage(7, "relation CANARY")))
			check(t, l.Append(t.Context(), end, insert(7, strings.Repeat("row CANARY", 50))))
			check(t, l.Append(t.Context(), end, commit(end)))
			synced(t, l)
		}
		check(t, l.Close())
		want := map[string][]byte{"row": []byte("row CANARY"), "relation": []byte("relation CANARY")}
		for _, f := range frames(t, o) {
			d := frame.DigestOf(f)
			want["digest "+d.String()] = d[:]
		}
		all := files(t, fs)
		if len(all) < 2 {
			t.Fatalf("only %d segments", len(all))
		}
		for what, b := range want {
			found := false
			for _, file := range all {
				found = found || bytes.Contains(file, b)
			}
			if found != (o.Key == nil) {
				t.Errorf("%s: %s found: %v", name, what, found)
			}
		}
		for file, b := range all {
			if bytes.Contains(b, secret[:6]) && o.Key != nil {
				t.Errorf("the key is in %s", file)
			}
		}
	}
}

// TestFrameFromElsewhere: a frame opens only in its own segment of its own log.
func TestFrameFromElsewhere(t *testing.T) {
	fs := newFS(t)
	o, ends, _ := logbook(t, fs, withKey)
	elsewhere := newFS(t)
	strange := withKey(elsewhere)
	strange.Job, strange.FrameBytes = "another", o.FrameBytes
	l := open(t, strange)
	transaction(t, l, 200, 5, 500)
	synced(t, l)
	check(t, l.Close())
	path := fs.PathJoin(dir, segmentName(1))
	whole, foreign := contents(t, fs, path), contents(t, elsewhere, path)
	first, err := frame.Size(whole[segmentHeader:])
	check(t, err)
	size := first + atrest.Overhead
	if !bytes.Equal(whole[segmentHeader:][:uncovered], foreign[segmentHeader:][:uncovered]) {
		t.Fatal("the two first frames are not alike")
	}
	b := slices.Concat(whole[:segmentHeader], foreign[segmentHeader:][:size], whole[segmentHeader+size:])
	put(t, fs, path, b)
	if _, err := outcome(t, o, ends); err == nil {
		t.Errorf("a frame of another job is taken")
	} else {
		wantCorrupt(t, "frame of another job", err, segmentName(1))
	}
}

// TestTornEndSealedAnew: after a torn end, and after a full disk, other contents stand where a frame
// of the same number stood. Were the nonce counted, it would be the same.
func TestTornEndSealedAnew(t *testing.T) {
	fs := newFS(t)
	o := withKey(fs)
	l := open(t, o)
	transaction(t, l, 200, 1, 100)
	synced(t, l)
	size := l.Size()
	path := l.path(1)
	seen := map[string]bool{}
	for range 20 {
		transaction(t, l, 300, 1, 100)
		synced(t, l)
		check(t, l.Close())
		whole := contents(t, fs, path)
		nonce := string(whole[size+uncovered:][:12])
		if seen[nonce] {
			t.Fatal("a nonce comes twice")
		}
		seen[nonce] = true
		put(t, fs, path, whole[:len(whole)-1])
		l = open(t, o)
		if l.Durable() != 200 || l.Size() != size {
			t.Fatalf("durable %s, %d bytes", l.Durable(), l.Size())
		}
	}
	check(t, l.Close())
}

// TestGoldenKey holds the layout in a log with a key: files of an earlier version open, and give the
// frames that the files without a key hold. Nonces are random, so what is written is never the same.
func TestGoldenKey(t *testing.T) {
	var got [2][][]byte
	for i, version := range []string{"v1.", "v2."} {
		fs := newFS(t)
		o := []form{options, withKey}[i](fs)
		check(t, fs.MkdirAll(dir, 0o700))
		for _, n := range []uint64{1, 2} {
			b, err := os.ReadFile("testdata/" + version + segmentName(n))
			check(t, err)
			put(t, fs, fs.PathJoin(dir, segmentName(n)), b)
			h, err := decodeHeader(b, o.Key)
			check(t, err)
			if !bytes.Equal(h.encode(o.Key), b[:segmentHeader]) {
				t.Errorf("header of %s%d is written otherwise now", version, n)
			}
		}
		got[i] = frames(t, o)
	}
	if !slices.EqualFunc(got[0], got[1], bytes.Equal) || len(got[0]) != 2 {
		t.Errorf("with a key the log gives\n%x, without\n%x", got[1], got[0])
	}
}
