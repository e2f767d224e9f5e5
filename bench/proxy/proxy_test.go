package proxy_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"replicator/bench/proxy"
)

// TestNothingChanges sends random bytes in pieces of random sizes both ways over several
// connections at once; each end hangs up its direction when it has sent everything.
func TestNothingChanges(t *testing.T) {
	t.Parallel()
	for _, cfg := range []proxy.Config{
		{},
		{Up: proxy.Line{Delay: 3 * time.Millisecond}, Down: proxy.Line{Delay: time.Millisecond}},
		{Buffer: 1000}, // smaller than one read
	} {
		l := listen(t, cfg)
		rng := random(t)
		var all sync.WaitGroup
		var total int64
		for range 5 {
			client, target := l.connect()
			up, down := noise(rng, rng.IntN(2<<20)), noise(rng, rng.IntN(2<<20))
			total += int64(len(up) + len(down))
			cut := 1 + rng.IntN(100_000)
			all.Go(func() { sendAll(t, client, up, cut) })
			all.Go(func() { sendAll(t, target, down, cut) })
			all.Go(func() { receiveAll(t, target, up) })
			all.Go(func() { receiveAll(t, client, down) })
		}
		all.Wait()
		l.until("all connections ended", func(c proxy.Counters) bool { return c.Open == 0 })
		if c := l.Counters(); c.Up+c.Down != total || c.Accepted != 5 || c.Swallowed+c.Reset+c.Flipped+c.Refused != 0 {
			t.Errorf("%d bytes over 5 connections; counted %+v", total, c)
		}
	}
}

func sendAll(t *testing.T, c *net.TCPConn, b []byte, size int) {
	for part := range slices.Chunk(b, size) {
		if _, err := c.Write(part); err != nil {
			t.Error(err)
			return
		}
	}
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
}

func receiveAll(t *testing.T, c *net.TCPConn, want []byte) {
	got, err := io.ReadAll(c)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("sent %d bytes, received %d, %v", len(want), len(got), err)
	}
}

func TestCloseEndsConnections(t *testing.T) {
	t.Parallel()
	l := listen(t, proxy.Config{Up: proxy.Line{Delay: time.Hour}})
	client, target := l.connect()
	send(t, client, []byte("under way for an hour"))
	l.Close()
	l.Close()
	for _, end := range []*net.TCPConn{client, target} {
		if _, err := end.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after Close an end reads %v", err)
		}
	}
	if c, err := net.Dial("tcp", l.Addr()); err == nil {
		c.Close()
		t.Error("a closed proxy listens")
	}
}

func TestContextEndsProxy(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p, err := proxy.Listen(ctx, proxy.Config{Target: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	p.Close() // would hang if the accept loop did not end
}

func TestTargetDown(t *testing.T) {
	t.Parallel()
	l := listen(t, proxy.Config{})
	l.target.Close()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		return // the reset may come before the dialer looks
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v through a proxy whose target is down", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, cfg := range []proxy.Config{
		{},
		{Target: "127.0.0.1:1", Up: proxy.Line{Delay: -1}},
		{Target: "127.0.0.1:1", Down: proxy.Line{Rate: -1}},
		{Target: "127.0.0.1:1", Buffer: -1},
		{Target: "127.0.0.1:1", Listen: "no such host:x"},
	} {
		if p, err := proxy.Listen(t.Context(), cfg); err == nil {
			p.Close()
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
