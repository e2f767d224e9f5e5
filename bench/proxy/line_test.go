package proxy_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"replicator/bench/proxy"
)

// TestDelayIsExact sends single bytes one way and measures each. None may be early, and ten must be
// right to half a millisecond; how many others a busy machine makes late says nothing about us.
func TestDelayIsExact(t *testing.T) {
	for _, tt := range []struct {
		name     string
		up, down time.Duration
	}{
		{"up", 10 * time.Millisecond, 0},
		{"down", 0, 10 * time.Millisecond},
		{"long", 40 * time.Millisecond, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := listen(t, proxy.Config{Up: proxy.Line{Delay: tt.up}, Down: proxy.Line{Delay: tt.down}})
			from, to := l.connect()
			if tt.up == 0 {
				from, to = to, from
			}
			var late []time.Duration
			for right := 0; right < 10; {
				began := time.Now()
				send(t, from, []byte{1})
				arrives(t, to, []byte{1})
				off := time.Since(began) - tt.up - tt.down
				if off < 0 {
					t.Fatalf("a byte came %s early", -off)
				}
				if off < time.Millisecond/2 {
					right++
				}
				if late = append(late, off); len(late) == 200 {
					t.Fatalf("%d of 200 bytes came in time; late by %s", right, late)
				}
			}
		})
	}
}

// TestDelayCostsNoThroughput sends 64 MiB over a line of 100 ms. Whoever waited for one piece
// before he took the next would need a minute.
func TestDelayCostsNoThroughput(t *testing.T) {
	const size = 64 << 20
	l := listen(t, proxy.Config{Up: proxy.Line{Delay: 100 * time.Millisecond}})
	client, target := l.connect()
	began := time.Now()
	sent := make(chan error, 1)
	go func() {
		_, err := client.Write(make([]byte, size))
		sent <- errors.Join(err, client.CloseWrite())
	}()
	n, err := io.Copy(io.Discard, target)
	if err := errors.Join(err, <-sent); err != nil || n != size {
		t.Fatalf("%d bytes arrived, %v", n, err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestRate sends 2 MB at 4 MB/s over two connections together.
func TestRate(t *testing.T) {
	t.Parallel()
	const size, rate = 1_000_000, 4_000_000
	l := listen(t, proxy.Config{Down: proxy.Line{Rate: rate}})
	began := time.Now()
	received := make(chan error, 2)
	for range 2 {
		client, target := l.connect()
		go func() {
			_, err := target.Write(make([]byte, size))
			_ = errors.Join(err, target.CloseWrite()) // the client notices
		}()
		go func() {
			n, err := io.Copy(io.Discard, client)
			if n != size {
				err = errors.Join(err, io.ErrUnexpectedEOF)
			}
			received <- err
		}()
	}
	if err := errors.Join(<-received, <-received); err != nil {
		t.Fatal(err)
	}
	const want = 2 * size * time.Second / rate
	if took := time.Since(began); took < want*95/100 || took > want*20 {
		t.Errorf("2 MB at 4 MB/s took %s", took)
	}
}

// TestLineIsBounded writes into lines that let nothing out for now: what they take is the buffer,
// if it is the delay that holds it, and what the kernel holds for the sockets.
func TestLineIsBounded(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		cfg   proxy.Config
		least int
	}{
		{"by delay", proxy.Config{Up: proxy.Line{Delay: time.Hour}, Buffer: 1 << 20}, 1 << 20},
		{"by rate", proxy.Config{Up: proxy.Line{Rate: 20_000}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := listen(t, tt.cfg)
			client, _ := l.connect()
			const far = 32 << 20
			taken := fill(t, client, far)
			if taken < tt.least || taken >= far {
				t.Errorf("the line took %d bytes", taken)
			}
		})
	}
}

// fill writes until nobody takes anything any more, and at most so many bytes.
func fill(t *testing.T, c *net.TCPConn, most int) (taken int) {
	t.Helper()
	for taken < most {
		if err := c.SetWriteDeadline(deadline(5 * quiet)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Write(make([]byte, 64<<10))
		taken += n
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return taken
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return taken
}
