package stream

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"
)

// TestGather: a rush of small reads has the kernel gather, what is less than that is still read, and when
// nothing comes any more every byte wakes again.
func TestGather(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()

	g, now := newGatherer(client), time.Now()
	for range rush - 1 {
		g.read(100, now)
	}
	g.read(smallRead, now)        // a large one ends the rush
	g.read(100, now.Add(2*quiet)) // and so does a pause
	if g.on {
		t.Fatal("gathers without a rush")
	}
	for range rush {
		g.read(100, now.Add(2*quiet))
	}
	if !g.on {
		t.Fatal("does not gather in a rush")
	}
	if _, err := server.Write(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	buf, got := make([]byte, 100), 0
	for g.on {
		if err := client.SetReadDeadline(time.Now().Add(gatherFor)); err != nil {
			t.Fatal(err)
		}
		n, err := client.Read(buf)
		switch got += n; {
		case n > 0:
			g.read(n, time.Now())
		case errors.Is(err, os.ErrDeadlineExceeded):
			if again := g.passed(); !again && got == 0 {
				continue // the ten bytes are still on their way
			}
		default:
			t.Fatal(err)
		}
	}
	if got == 0 {
		if err := client.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if got, err = client.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
	if got != 10 {
		t.Errorf("read %d bytes of 10", got)
	}
}
