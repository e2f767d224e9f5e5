package changelog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"replicator/wal"
)

// lockedBuffer takes the log's messages.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestBudget: a writer far ahead of its reader waits, nothing is dropped, the log stays near its
// budget and the alarm is raised once each time.
func TestBudget(t *testing.T) { everyForm(t, budget) }

func budget(t *testing.T, options form) {
	var messages lockedBuffer
	o := options(newFS(t))
	o.Budget = 64 << 10
	o.Logger = slog.New(slog.NewTextHandler(&messages, nil))
	l := open(t, o)
	r, err := l.Reader(100)
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	const last = 40_000
	var want []wal.LSN
	for end := wal.LSN(200); end <= last; end += 100 {
		want = append(want, end)
	}
	wg.Go(func() {
		for _, end := range want {
			for _, m := range [][]byte{begin(end-1, 1), insert(1, strings.Repeat("b", 800)), commit(end)} {
				if err := l.Append(ctx, end, m); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		}
		if _, err := l.Sync(); err != nil {
			t.Errorf("sync: %v", err)
		}
	})
	c := &consumer{position: 100}
	largest := int64(0)
	for c.position < last {
		for !l.Full() && l.Durable() < last { // let the writer run into the bound first
			l.mu.Lock()
			changed := l.changed
			full := l.full || l.durable == last
			l.mu.Unlock()
			if full {
				break
			}
			<-changed
		}
		largest = max(largest, l.Size())
		check(t, c.drain(ctx, r))
		check(t, l.TrimBefore(c.position))
	}
	wg.Wait()
	cancel()
	if !slices.Equal(c.ended, want) {
		t.Errorf("read %d transactions, want %d", len(c.ended), len(want))
	}
	if largest > o.Budget+int64(o.FrameBytes)+4096 || largest < o.Budget/2 {
		t.Errorf("log grew to %d bytes, budget %d", largest, o.Budget)
	}
	raised, ended := strings.Count(messages.String(), "over its budget"), strings.Count(messages.String(), "room again")
	if raised == 0 || raised-ended > 1 || l.Full() {
		t.Errorf("alarm raised %d times, ended %d times, full %v", raised, ended, l.Full())
	}
	check(t, r.Close())
	check(t, l.Close())
}

// TestBlockedAppendEnds with its context and with the log.
func TestBlockedAppendEnds(t *testing.T) {
	for _, how := range []string{"context", "close"} {
		o := options(newFS(t))
		o.Budget = 8 << 10
		l := open(t, o)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() {
			var err error
			for end := wal.LSN(200); err == nil; end += 100 {
				for _, m := range [][]byte{begin(end-1, 1), insert(1, strings.Repeat("b", 800)), commit(end)} {
					if err = l.Append(ctx, end, m); err != nil {
						break
					}
				}
			}
			result <- err
		}()
		for !l.Full() {
			l.mu.Lock()
			changed, full := l.changed, l.full
			l.mu.Unlock()
			if !full {
				<-changed
			}
		}
		want := context.Canceled
		if how == "context" {
			cancel()
		} else {
			check(t, l.Close())
			want = ErrClosed
		}
		if err := <-result; !errors.Is(err, want) {
			t.Errorf("%s: %v", how, err)
		}
		cancel()
		check(t, l.Close())
	}
}

// TestReadersBesideTheWriter: several readers follow a writer that trims behind the slowest.
func TestReadersBesideTheWriter(t *testing.T) { everyForm(t, readersBesideTheWriter) }

func readersBesideTheWriter(t *testing.T, options form) {
	o := options(newFS(t))
	o.Compress = true
	l := open(t, o)
	const last = 20_000
	var want []wal.LSN
	for end := wal.LSN(200); end <= last; end += 100 {
		want = append(want, end)
	}
	var wg sync.WaitGroup
	for range 3 {
		r, err := l.Reader(100)
		check(t, err)
		wg.Go(func() {
			c := &consumer{position: 100}
			for c.position < last {
				sealed, err := r.Next(t.Context())
				if err == nil {
					err = c.frame(sealed)
				}
				if err != nil {
					t.Errorf("reader: %v", err)
					return
				}
			}
			if !slices.Equal(c.ended, want) {
				t.Errorf("reader met %d transactions", len(c.ended))
			}
			if err := r.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	for _, end := range want {
		transaction(t, l, end, 4, 200)
		if end%500 == 0 {
			synced(t, l)
			check(t, l.TrimBefore(end)) // what readers have yet to reach stays
		}
	}
	synced(t, l)
	wg.Wait()
	check(t, l.TrimBefore(last))
	if len(l.segs) != 1 {
		t.Errorf("%d segments after all has been read", len(l.segs))
	}
	check(t, l.Close())
}

// TestNextEnds with its context and with the log.
func TestNextEnds(t *testing.T) {
	l := open(t, options(newFS(t)))
	r, err := l.Reader(100)
	check(t, err)
	if _, err := r.Next(ended(t)); !errors.Is(err, errEnd) {
		t.Fatalf("context: %v", err)
	}
	result := make(chan error)
	go func() {
		_, err := r.Next(t.Context())
		result <- err
	}()
	check(t, l.Close())
	if err := <-result; !errors.Is(err, ErrClosed) {
		t.Fatalf("closed log: %v", err)
	}
	check(t, r.Close())
	if err := l.Append(t.Context(), 1, begin(1, 1)); !errors.Is(err, ErrClosed) {
		t.Fatalf("append to a closed log: %v", err)
	}
	if _, err := l.Sync(); !errors.Is(err, ErrClosed) {
		t.Fatalf("sync of a closed log: %v", err)
	}
}
