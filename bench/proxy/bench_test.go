package proxy_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"replicator/bench/proxy"
)

// BenchmarkThroughput is one connection over a line of 40 ms.
func BenchmarkThroughput(b *testing.B) {
	const size = 64 << 20
	for b.Loop() {
		l := listen(b, proxy.Config{Up: proxy.Line{Delay: 40 * time.Millisecond}})
		client, target := l.connect()
		b.SetBytes(size)
		sent := make(chan error, 1)
		go func() {
			_, err := client.Write(make([]byte, size))
			sent <- errors.Join(err, client.CloseWrite())
		}()
		n, err := io.Copy(io.Discard, target)
		if err := errors.Join(err, <-sent); err != nil || n != size {
			b.Fatalf("%d bytes arrived, %v", n, err)
		}
		l.Close()
	}
}

// BenchmarkLateness says how much later than 10 ms a byte comes.
func BenchmarkLateness(b *testing.B) {
	const delay = 10 * time.Millisecond
	l := listen(b, proxy.Config{Up: proxy.Line{Delay: delay}})
	client, target := l.connect()
	var late time.Duration
	for b.Loop() {
		began := time.Now()
		send(b, client, []byte{1})
		arrives(b, target, []byte{1})
		late += time.Since(began) - delay
	}
	b.ReportMetric(float64(late.Microseconds())/float64(b.N), "late-us/op")
}
