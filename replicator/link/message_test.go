package link

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"testing"

	"replicator/checksum/frame"
)

// seeded is the source of a random test, printed so that it can be replayed.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("REPLICATOR_SEED"); s != "" {
		v, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = v
	}
	t.Logf("REPLICATOR_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

var testBinding = newBinding(channel{1}, sourceSide, "emr", "00112233445566778899aabbccddeeff")

// sealed is a message as it goes over the wire.
func sealed(h header, body []byte) []byte {
	b := make([]byte, messageHeader)
	h.seal(b, testBinding, body)
	return append(b, body...)
}

func TestMessageTravels(t *testing.T) {
	rows := frame.Seal(nil, frame.Header{Kind: frame.Rows, Seq: 3}, bytes.Repeat([]byte("row"), 1000), nil)
	for _, m := range []struct {
		h    header
		body []byte
	}{
		{header{kind: kindPing, seq: 1}, nil},
		{header{kind: kindCall, epoch: 7, seq: 1 << 40, call: 9}, []byte(`{"method":"State"}`)},
		{header{kind: kindRows, epoch: 7, seq: 2, call: 10}, rows},
	} {
		h, body, err := readMessage(bytes.NewReader(sealed(m.h, m.body)), testBinding, nil)
		m.h.size = len(m.body)
		if err != nil || h != m.h || !bytes.Equal(body, m.body) {
			t.Errorf("sent %+v, arrived %+v with %d bytes, error %v", m.h, h, len(body), err)
		}
	}
}

// TestEveryFlippedByteOfAMessageIsFound but those of a frame, which has a digest of its own.
func TestEveryFlippedByteOfAMessageIsFound(t *testing.T) {
	rows := frame.Seal(nil, frame.Header{Kind: frame.Rows, Seq: 3}, bytes.Repeat([]byte("row"), 30), nil)
	for _, m := range [][]byte{
		sealed(header{kind: kindCall, epoch: 7, seq: 5, call: 9}, []byte(`{"method":"State"}`)),
		sealed(header{kind: kindRows, epoch: 7, seq: 5, call: 9}, rows),
	} {
		for i := range m {
			for bit := range 8 {
				hurt := bytes.Clone(m)
				hurt[i] ^= 1 << bit
				h, body, err := readMessage(bytes.NewReader(hurt), testBinding, nil)
				if err == nil && h.kind.framed() && i >= messageHeader {
					_, _, err = frame.Open(body, nil)
				}
				if err == nil {
					t.Fatalf("byte %d bit %d of %d: not found", i, bit, len(m))
				}
			}
		}
	}
}

// testWire is the target end of a connection on which stream has come.
func testWire(stream []byte) *wire {
	w := newWire(&readOnly{r: bytes.NewReader(stream)}, channel{1}, targetSide)
	w.bindTo("emr", "00112233445566778899aabbccddeeff")
	return w
}

// TestMessagesOfAnotherJobAreRefused, and those of another connection or of the other side.
func TestMessagesOfAnotherJobAreRefused(t *testing.T) {
	m := sealed(header{kind: kindPing, seq: 1}, nil)
	for _, b := range []binding{
		newBinding(channel{1}, sourceSide, "lab", "00112233445566778899aabbccddeeff"), newBinding(channel{1}, sourceSide, "emr", "ff112233445566778899aabbccddeeff"),
		newBinding(channel{2}, sourceSide, "emr", "00112233445566778899aabbccddeeff"), newBinding(channel{1}, targetSide, "emr", "00112233445566778899aabbccddeeff"), {},
	} {
		if _, _, err := readMessage(bytes.NewReader(m), b, nil); !errors.Is(err, errDamaged) {
			t.Errorf("error %v, want %v", err, errDamaged)
		}
	}
}

// TestReplaysAreIgnored records messages and plays them again.
func TestReplaysAreIgnored(t *testing.T) {
	var stream []byte
	message := func(seq uint64) []byte { return sealed(header{kind: kindPing, seq: seq}, nil) }
	for _, seq := range []uint64{1, 1, 2, 1, 2, 3, 3, 4} {
		stream = append(stream, message(seq)...)
	}
	w := testWire(stream)
	for want := uint64(1); want <= 4; want++ {
		h, _, err := w.read(nil)
		if err != nil || h.seq != want {
			t.Fatalf("sequence %d, error %v, want %d", h.seq, err, want)
		}
	}
	if n := w.replay.Load(); n != 4 {
		t.Errorf("%d replays counted, want 4", n)
	}
	if _, _, err := w.read(nil); !errors.Is(err, io.EOF) {
		t.Errorf("error %v at the end", err)
	}
}

func TestGapsEndTheConnection(t *testing.T) {
	stream := append(sealed(header{kind: kindPing, seq: 1}, nil), sealed(header{kind: kindPing, seq: 3}, nil)...)
	w := testWire(stream)
	if _, _, err := w.read(nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.read(nil); !errors.Is(err, errGap) {
		t.Errorf("error %v, want %v", err, errGap)
	}
}

// readOnly is the receiving half of a connection.
type readOnly struct {
	net.Conn
	r io.Reader
}

func (c *readOnly) Read(p []byte) (int, error) { return c.r.Read(p) }

func TestBodiesTravelCompressed(t *testing.T) {
	rng := seeded(t)
	for range 50 {
		text := make([]string, rng.IntN(2000))
		for i := range text {
			text[i] = strconv.Itoa(rng.IntN(50))
		}
		body, flags, err := pack(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := unpack(flags, body, &got); err != nil || len(got) != len(text) {
			t.Fatalf("%d of %d arrived, error %v", len(got), len(text), err)
		}
		if len(text) > 1900 && flags != flagZstd {
			t.Errorf("%d bytes were not compressed", len(body))
		}
	}
}

// FuzzReadMessage: whatever arrives, memory follows the bytes that are there.
func FuzzReadMessage(f *testing.F) {
	f.Add(sealed(header{kind: kindCall, seq: 1, call: 2}, []byte(`{"method":"State"}`)))
	f.Add(sealed(header{kind: kindRows, seq: 1}, frame.Seal(nil, frame.Header{Kind: frame.Rows}, []byte("rows"), nil)))
	huge := sealed(header{kind: kindRows, seq: 1}, nil)
	huge[12] = 0x3F // 1 GiB that does not follow
	f.Add(huge)
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := bytes.NewReader(stream)
		for {
			h, body, err := readMessage(r, testBinding, nil)
			if cap(body) > 4*len(stream)+2*readStep {
				t.Fatalf("%d bytes taken for %d", cap(body), len(stream))
			}
			if err != nil {
				return
			}
			var v any
			_ = unpack(h.flags, body, &v)
		}
	})
}
