package pace

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a Conn whose other side reads everything, in the bubble's time.
func pipe(l *Limiter) (c *Conn, read *bytes.Buffer, end func()) {
	near, far := net.Pipe()
	c, read = NewConn(near, l), &bytes.Buffer{}
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(read, far) })
	return c, read, func() { c.Close(); far.Close(); wg.Wait() }
}

// TestConnKeepsToTheCap: the bytes arrive whole, in the time that the cap gives them.
func TestConnKeepsToTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := seeded(t)
		c, read, end := pipe(NewLimiter(parse(t, "1MB/s")))
		b := make([]byte, 3<<20)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		start := time.Now()
		for sent := 0; sent < len(b); {
			n := min(1+r.IntN(200<<10), len(b)-sent)
			k, err := c.Write(b[sent : sent+n])
			if err != nil || k != n {
				t.Fatalf("%d of %d bytes, error %v", k, n, err)
			}
			sent += n
		}
		took := time.Since(start)
		end()
		if took < 2940*time.Millisecond || took > 3060*time.Millisecond {
			t.Errorf("3 MB at 1 MB/s took %v", took)
		}
		if !bytes.Equal(read.Bytes(), b) || c.Written() != int64(len(b)) || c.Received() != 0 {
			t.Errorf("%d bytes arrived, %d were counted", read.Len(), c.Written())
		}
		if c.Blocked() != took || c.Held() != took || c.Waited() != 0 {
			t.Errorf("blocked %v, held %v, waited %v of %v", c.Blocked(), c.Held(), c.Waited(), took)
		}
	})
}

// TestConnMeasures: the time that the other side takes, while it takes it.
func TestConnMeasures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := NewConn(near, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Write([]byte("twelve bytes")); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := c.Read(make([]byte, 10)); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(2 * time.Second)
		if c.Blocked() != 2*time.Second || c.Waited() != 2*time.Second || c.Written() != 0 {
			t.Errorf("under way: blocked %v, waited %v, written %d", c.Blocked(), c.Waited(), c.Written())
		}
		if _, err := io.ReadFull(far, make([]byte, 12)); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, err := far.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		wg.Wait()
		time.Sleep(time.Second)
		if c.Blocked() != 2*time.Second || c.Waited() != 3*time.Second || c.Held() != 0 {
			t.Errorf("at the end: blocked %v, waited %v, held %v", c.Blocked(), c.Waited(), c.Held())
		}
		if c.Written() != 12 || c.Received() != 5 {
			t.Errorf("written %d, received %d", c.Written(), c.Received())
		}
		c.Close()
		far.Close()
	})
}

// TestCloseEndsTheWait, at once and once for all.
func TestCloseEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, end := pipe(NewLimiter(parse(t, "10kB/s")))
		defer end()
		start := time.Now()
		time.AfterFunc(3001*time.Millisecond, func() { c.Close() })
		n, err := c.Write(make([]byte, 1<<20))
		if !errors.Is(err, net.ErrClosed) || time.Since(start) != 3001*time.Millisecond {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
		near(t, "written", n, 3*10<<10)
		if int64(n) != c.Written() {
			t.Errorf("%d bytes said, %d counted", n, c.Written())
		}
		c.Close()
		if _, err := c.Write([]byte("x")); err == nil {
			t.Error("written to a closed connection")
		}
	})
}

// TestWriteDeadline: it counts while a Write waits, also when it is moved then.
func TestWriteDeadline(t *testing.T) {
	for name, tc := range map[string]struct {
		set  func(c *Conn)
		want time.Duration // 0: the write comes to its end
	}{
		"passes":            {func(c *Conn) { c.SetWriteDeadline(time.Now().Add(2 * time.Second)) }, 2 * time.Second},
		"of both":           {func(c *Conn) { c.SetDeadline(time.Now().Add(2 * time.Second)) }, 2 * time.Second},
		"has passed":        {func(c *Conn) { c.SetWriteDeadline(time.Now().Add(-time.Second)) }, 1},
		"passed and lifted": {func(c *Conn) { c.SetWriteDeadline(time.Now()); c.SetWriteDeadline(time.Time{}) }, 0},
		"lifted": {func(c *Conn) {
			c.SetWriteDeadline(time.Now().Add(2 * time.Second))
			time.AfterFunc(time.Second, func() { c.SetWriteDeadline(time.Time{}) })
		}, 0},
		"comes nearer": {func(c *Conn) {
			c.SetWriteDeadline(time.Now().Add(20 * time.Second))
			time.AfterFunc(time.Second, func() { c.SetWriteDeadline(time.Now().Add(time.Second)) })
		}, 2 * time.Second},
		"moves away": {func(c *Conn) {
			c.SetWriteDeadline(time.Now().Add(2 * time.Second))
			time.AfterFunc(time.Second, func() { c.SetWriteDeadline(time.Now().Add(3 * time.Second)) })
		}, 4 * time.Second},
		"is the reader's": {func(c *Conn) { c.SetReadDeadline(time.Now().Add(time.Second)) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, end := pipe(NewLimiter(parse(t, "10kB/s")))
				defer end()
				start := time.Now()
				tc.set(c)
				_, err := c.Write(make([]byte, 50<<10)) // five seconds
				took := time.Since(start)
				switch {
				case tc.want == 0 && (err != nil || took < 4900*time.Millisecond):
					t.Errorf("error %v after %v", err, took)
				case tc.want == 1 && (!errors.Is(err, os.ErrDeadlineExceeded) || took > time.Millisecond),
					tc.want > 1 && (!errors.Is(err, os.ErrDeadlineExceeded) || took != tc.want):
					t.Errorf("error %v after %v, want %v", err, took, tc.want)
				}
				var timeout net.Error
				if err != nil && (!errors.As(err, &timeout) || !timeout.Timeout()) {
					t.Errorf("%v is no timeout", err)
				}
			})
		})
	}
}

// TestConnections: many together keep to one cap, while it is changed and one of them is closed. Run
// it with the race detector.
func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(parse(t, "10MB/s"))
		var wg sync.WaitGroup
		var conns [6]*Conn
		for i := range conns {
			c, _, end := pipe(l)
			defer end()
			conns[i] = c
			wg.Go(func() {
				b := make([]byte, 16<<10)
				for {
					if _, err := c.Write(b); err != nil {
						return
					}
				}
			})
		}
		total := func() (n int) {
			for _, c := range conns {
				n += int(c.Written())
				if c.Blocked() < c.Held() {
					t.Errorf("blocked for %v, of which held %v", c.Blocked(), c.Held())
				}
			}
			return n
		}
		phase := func(what string, rate int) {
			t.Helper()
			before := total()
			time.Sleep(5 * time.Second)
			near(t, what, total()-before, 5*rate)
		}
		phase("first", 10<<20)
		l.Set(parse(t, "1MB/s"))
		phase("slower", 1<<20)
		conns[0].Close()
		phase("one less", 1<<20)
		l.Set(parse(t, "20MB/s"))
		phase("faster", 20<<20)
		for _, c := range conns {
			c.Close()
		}
		wg.Wait()
	})
}

// TestCloseWrite ends one half of a real connection.
func TestCloseWrite(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		defer close(got)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b, _ := io.ReadAll(c)
		got <- string(b)
		_, _ = c.Write([]byte("goodbye"))
	}()
	raw, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(raw, NewLimiter(parse(t, "1MB/s")))
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "hello" {
		t.Errorf("the other side got %q", text)
	}
	if b, err := io.ReadAll(c); err != nil || string(b) != "goodbye" {
		t.Errorf("got %q, error %v", b, err)
	}
	<-got
	near, far := net.Pipe()
	defer far.Close()
	half := NewConn(near, nil)
	defer half.Close()
	if err := half.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a pipe has no halves, but: %v", err)
	}
}

func BenchmarkWrite(b *testing.B) {
	for name, l := range map[string]*Limiter{"uncapped": nil, "off": NewLimiter(Schedule{}), "capped": NewLimiter(Schedule{rest: most})} {
		b.Run(name, func(b *testing.B) {
			c := NewConn(sink{}, l)
			p := make([]byte, 16<<10)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Write(p)
			}
		})
	}
}

// sink takes everything at once.
type sink struct{ net.Conn }

func (sink) Write(b []byte) (int, error) { return len(b), nil }
