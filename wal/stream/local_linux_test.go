package stream

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"replicator/replicator/pg"
)

// TestLocal: what goes through a Unix-domain socket comes out whole, a deadline in between loses nothing,
// many small messages are gathered, and either end can close.
func TestLocal(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open := func() (*local, net.Conn) {
		t.Helper()
		client, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c, err := offPoller(client)
		if err != nil {
			t.Fatal(err)
		}
		return c.(*local), server
	}

	c, server := open()
	if g := newGatherer(c); g.ask == nil {
		t.Error("nothing gathers")
	}
	if err := c.SetReadDeadline(past); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, localBuffer)
	if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := c.lowWater(localBuffer); err != nil {
		t.Fatal(err)
	}
	const messages, size = 20_000, 64
	go func() {
		defer server.Close()
		for i := range messages {
			if _, err := server.Write(bytes.Repeat([]byte{byte(i)}, size)); err != nil {
				return
			}
		}
	}()
	reads, got := 0, 0
	for {
		n, err := c.Read(buf)
		for i := range n {
			if buf[i] != byte((got+i)/size) {
				t.Fatalf("byte %d is of another message", got+i)
			}
		}
		reads, got = reads+1, got+n
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got != messages*size || reads > messages/10 {
		t.Errorf("%d bytes came in %d reads", got, reads)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}

	c, server = open()
	server.Close()
	if _, err := c.Write([]byte("status")); !pg.Lost(err) { // and is waited for, as any server that restarts
		t.Errorf("wrote to a server that is gone: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}

	c, server = open()
	defer server.Close()
	if _, err := c.Write([]byte("status")); err != nil {
		t.Fatal(err)
	}
	if n, err := server.Read(buf); err != nil || string(buf[:n]) != "status" {
		t.Errorf("the server read %q, %v", buf[:n], err)
	}
	ended := make(chan error)
	go func() { _, err := c.Read(buf); ended <- err }()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err == nil {
		t.Error("read from a closed connection")
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("wrote to a closed connection")
	}
}
