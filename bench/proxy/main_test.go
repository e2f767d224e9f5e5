package proxy_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"replicator/bench/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for what must come; quiet is how long nothing must come.
const (
	patience = 20 * time.Second
	quiet    = 100 * time.Millisecond
)

// line is a proxy in front of a listener, with nobody connected yet.
type line struct {
	*proxy.Proxy
	t      testing.TB
	target *net.TCPListener
}

func listen(t testing.TB, cfg proxy.Config) *line {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	cfg.Target = ln.Addr().String()
	p, err := proxy.Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return &line{Proxy: p, t: t, target: ln.(*net.TCPListener)}
}

// dial makes a client's connection, whatever becomes of it.
func (l *line) dial() *net.TCPConn {
	l.t.Helper()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		l.t.Fatal(err)
	}
	return l.keep(c)
}

// connect makes a connection and returns both ends of it.
func (l *line) connect() (client, target *net.TCPConn) {
	l.t.Helper()
	client = l.dial()
	if err := l.target.SetDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	c, err := l.target.Accept()
	if err != nil {
		l.t.Fatal(err)
	}
	return client, l.keep(c)
}

func (l *line) keep(c net.Conn) *net.TCPConn {
	l.t.Helper()
	l.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

func send(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// arrives checks that want, and nothing before it, comes out of c.
func arrives(t testing.TB, c net.Conn, want []byte) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes arrived, but others than were sent", len(got))
	}
}

// silent checks that nothing comes out of c, not even its end.
func silent(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(quiet)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(make([]byte, 1))
	if nerr, ok := err.(net.Error); n != 0 || !ok || !nerr.Timeout() {
		t.Fatalf("read %d bytes, %v; nothing should have come", n, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
}

// until waits for what the proxy counts.
func (l *line) until(what string, is func(proxy.Counters) bool) {
	l.t.Helper()
	for end := time.Now().Add(patience); !is(l.Counters()); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("never %s: %+v", what, l.Counters())
		}
	}
}

// random is a source of bytes; its seed is printed and replayed from REPLICATOR_SEED.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("REPLICATOR_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("REPLICATOR_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func deadline(d time.Duration) time.Time { return time.Now().Add(d) }
