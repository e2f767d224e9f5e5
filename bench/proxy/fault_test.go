package proxy_test

import (
	"errors"
	"io"
	"math/bits"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"

	"replicator/bench/proxy"
)

func TestCutAndResume(t *testing.T) {
	t.Parallel()
	l := listen(t, proxy.Config{})
	client, target := l.connect()
	send(t, client, []byte("before"))
	arrives(t, target, []byte("before"))

	l.Cut()
	gone(t, client)
	gone(t, target)
	gone(t, l.dial())
	l.until("refused", func(c proxy.Counters) bool { return c.Refused == 1 && c.Open == 0 })

	l.Resume()
	client, target = l.connect()
	send(t, target, []byte("after"))
	arrives(t, client, []byte("after"))
}

// gone checks that c was closed, however.
func gone(t *testing.T, c *net.TCPConn) {
	t.Helper()
	_, err := c.Read(make([]byte, 1))
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v from a connection that should be closed", err)
	}
}

func TestHalfOpen(t *testing.T) {
	t.Parallel()
	l := listen(t, proxy.Config{})
	client, target := l.connect()
	idle, idleTarget := l.connect()

	l.HalfOpen()
	send(t, client, []byte("lost"))
	send(t, target, []byte("lost, too"))
	fresh := l.dial()
	send(t, fresh, []byte("and this"))
	l.until("swallowed", func(c proxy.Counters) bool { return c.Swallowed == int64(len("lostlost, tooand this")) })
	silent(t, client)
	silent(t, target)
	l.nobody()

	l.Resume()
	send(t, client, []byte("after a hole"))
	send(t, fresh, []byte("never joined"))
	send(t, idle, []byte("lost nothing"))
	arrives(t, idleTarget, []byte("lost nothing"))
	silent(t, target)
	l.nobody()
	if c := l.Counters(); c.Up != int64(len("lost nothing")) || c.Down != 0 || c.Open != 3 {
		t.Errorf("counted %+v", c)
	}
}

// nobody checks that no connection reaches the target.
func (l *line) nobody() {
	l.t.Helper()
	if err := l.target.SetDeadline(deadline(quiet)); err != nil {
		l.t.Fatal(err)
	}
	if c, err := l.target.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		l.t.Errorf("accepted %v, %v", c, err)
	}
}

// TestHalfOpenLosesTheEnd hangs up on a half-open line: the other end must not notice.
func TestHalfOpenLosesTheEnd(t *testing.T) {
	t.Parallel()
	l := listen(t, proxy.Config{})
	client, target := l.connect()
	l.HalfOpen()
	client.Close()
	silent(t, target)
	l.Resume()
	silent(t, target)
	target.Close()
	l.until("forgotten", func(c proxy.Counters) bool { return c.Open == 0 })
}

func TestResetOne(t *testing.T) {
	t.Parallel()
	l := listen(t, proxy.Config{})
	if l.ResetOne() {
		t.Error("reset a connection that nobody made")
	}
	var ends [][2]*net.TCPConn
	for range 3 {
		client, target := l.connect()
		ends = append(ends, [2]*net.TCPConn{client, target})
	}
	l.until("all open", func(c proxy.Counters) bool { return c.Open == 3 })
	if !l.ResetOne() {
		t.Fatal("reset none of three")
	}
	reset := 0
	for _, end := range ends {
		if !isReset(t, end[0]) {
			send(t, end[0], []byte("alive"))
			arrives(t, end[1], []byte("alive"))
			continue
		}
		reset++
		if _, err := end[1].Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the target's end reads %v", err)
		}
	}
	if reset != 1 {
		t.Errorf("%d connections were reset", reset)
	}
	if c := l.Counters(); c.Reset != 1 || c.Open != 2 {
		t.Errorf("counted %+v", c)
	}
}

// isReset waits a moment for c to be reset.
func isReset(t *testing.T, c *net.TCPConn) bool {
	t.Helper()
	if err := c.SetReadDeadline(deadline(quiet)); err != nil {
		t.Fatal(err)
	}
	_, err := c.Read(make([]byte, 1))
	if err := c.SetReadDeadline(deadline(patience)); err != nil {
		t.Fatal(err)
	}
	return errors.Is(err, syscall.ECONNRESET)
}

// TestEndsByErrorAreTold resets the target's end: the client must see more than the end of a stream.
func TestEndsByErrorAreTold(t *testing.T) {
	t.Parallel()
	l := listen(t, proxy.Config{})
	client, target := l.connect()
	if err := target.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	target.Close()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client reads %v", err)
	}
}

// TestDropEvery sends one byte more than the distance between two drops over the only connection.
func TestDropEvery(t *testing.T) {
	t.Parallel()
	l := listen(t, proxy.Config{})
	l.DropEvery(1000)
	for drops := range int64(3) {
		client, target := l.connect()
		send(t, client, make([]byte, 999))
		arrives(t, target, make([]byte, 999))
		if c := l.Counters(); c.Reset != drops {
			t.Fatalf("%d drops before the thousandth byte", c.Reset-drops)
		}
		send(t, target, make([]byte, 1))
		gone(t, target)
		if c := l.Counters(); c.Reset != drops+1 {
			t.Fatalf("counted %+v after %d drops", c, drops+1)
		}
	}
	l.DropEvery(0)
	client, target := l.connect()
	send(t, client, make([]byte, 5000))
	arrives(t, target, make([]byte, 5000))
}

// TestFlipAfter flips bits at random offsets of a direction that two connections share.
func TestFlipAfter(t *testing.T) {
	t.Parallel()
	rng := random(t)
	l := listen(t, proxy.Config{})
	const size = 100_000
	first, second := noise(rng, size), noise(rng, size)
	client, target := l.connect()
	send(t, client, []byte("passed before"))
	arrives(t, target, []byte("passed before"))

	offsets := []int64{0, rng.Int64N(size), size - 1, size + rng.Int64N(size)}
	slices.Sort(offsets)
	offsets = slices.Compact(offsets)
	for _, at := range offsets {
		l.FlipAfter(proxy.Up, at)
	}
	l.FlipAfter(proxy.Down, 1<<40) // never reached

	got := through(t, client, target, first)
	client, target = l.connect()
	got = append(got, through(t, client, target, second)...)

	var flipped []int64
	for i, want := range append(first, second...) {
		if n := bits.OnesCount8(got[i] ^ want); n > 1 {
			t.Fatalf("byte %d: %d bits flipped", i, n)
		} else if n == 1 {
			flipped = append(flipped, int64(i))
		}
	}
	if !slices.Equal(flipped, offsets) {
		t.Errorf("flipped at %d, wanted at %d", flipped, offsets)
	}
	if c := l.Counters(); c.Flipped != int64(len(offsets)) {
		t.Errorf("counted %+v", c)
	}
	through(t, target, client, first)
	if c := l.Counters(); c.Flipped != int64(len(offsets)) || c.Down != size {
		t.Errorf("counted %+v", c)
	}
}

// through sends b and returns what arrives.
func through(t *testing.T, from, to *net.TCPConn, b []byte) []byte {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write(b)
		sent <- err
	}()
	got := make([]byte, len(b))
	_, err := io.ReadFull(to, got)
	if err := errors.Join(err, <-sent); err != nil {
		t.Fatal(err)
	}
	return got
}
