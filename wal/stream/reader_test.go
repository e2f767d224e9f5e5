package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"
)

// TestReader: messages of all sizes come out as they went in, however the bytes are cut, and however
// often a deadline passes in between.
func TestReader(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var sent [][]byte
	var stream []byte
	for i := range 400 {
		size := random.IntN(200)
		switch {
		case i%50 == 49:
			size = random.IntN(3 * firstBuffer)
		case i == 200:
			size = 3 * keepBuffer
		}
		msg := make([]byte, size)
		for j := range msg {
			msg[j] = byte(random.Uint32())
		}
		sent = append(sent, msg)
		stream = append(binary.BigEndian.AppendUint32(append(stream, 'd'), uint32(4+size)), msg...)
	}
	client, server := net.Pipe()
	defer client.Close()
	cut := rand.New(rand.NewPCG(seed, 1))
	go func() {
		defer server.Close()
		for len(stream) > 0 {
			n := min(len(stream), 1+cut.IntN(1<<uint(cut.IntN(20))))
			if _, err := server.Write(stream[:n]); err != nil {
				return
			}
			stream = stream[n:]
		}
	}()
	r := newReader(client)
	timeouts := 0
	arm := func() error {
		if random.IntN(4) == 0 {
			return client.SetReadDeadline(past)
		}
		return client.SetReadDeadline(time.Time{})
	}
	for i := 0; i < len(sent); {
		kind, body, err := r.next(arm)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			timeouts++
			continue
		}
		if err != nil || kind != 'd' || !bytes.Equal(body, sent[i]) {
			t.Fatalf("message %d of %d bytes: %v, kind %q, %d bytes", i, len(sent[i]), err, kind, len(body))
		}
		i++
	}
	if _, _, err := r.next(func() error { return nil }); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if timeouts == 0 || len(r.buf) > keepBuffer {
		t.Errorf("%d timeouts, a buffer of %d bytes is kept", timeouts, len(r.buf))
	}
}

// TestReaderSize: a length that no server sends is refused before anything is allocated, and one that
// it might send costs memory only as its bytes come.
func TestReaderSize(t *testing.T) {
	for _, c := range []struct {
		size uint32
		want error
	}{{0, ErrProtocol}, {3, ErrProtocol}, {1 << 31, ErrProtocol}, {1 << 30, io.EOF}} {
		client, server := net.Pipe()
		go func() {
			_, _ = server.Write(binary.BigEndian.AppendUint32([]byte{'d'}, c.size))
			server.Close()
		}()
		r := newReader(client)
		if _, _, err := r.next(func() error { return nil }); !errors.Is(err, c.want) {
			t.Errorf("%d: %v, want %v", c.size, err, c.want)
		}
		if len(r.buf) > 2*firstBuffer {
			t.Errorf("%d: a buffer of %d bytes", c.size, len(r.buf))
		}
		client.Close()
	}
}
