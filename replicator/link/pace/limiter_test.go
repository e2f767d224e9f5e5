package pace

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func parse(t *testing.T, text string) Schedule {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sent is what went through a limiter, and when.
type sent struct {
	mu     sync.Mutex
	start  time.Time
	pieces []piece
}

type piece struct {
	at time.Duration
	n  int
}

func (s *sent) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieces = append(s.pieces, piece{time.Since(s.start), n})
}

// between are the bytes from one time on to another.
func (s *sent) between(from, to time.Duration) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pieces {
		if from <= p.at && p.at < to {
			n += p.n
		}
	}
	return n
}

// pump sends through the limiter over so many connections until the bubble's clock says so.
func pump(l *Limiter, conns int, until time.Duration) *sent {
	s := &sent{start: time.Now()}
	ctx, cancel := context.WithTimeout(context.Background(), until)
	defer cancel()
	var wg sync.WaitGroup
	for range conns {
		wg.Go(func() {
			for n := 1; ; n = n%16384 + 997 {
				k, ok := l.take(n, ctx.Done(), nil)
				if !ok {
					return
				}
				s.add(k)
			}
		})
	}
	wg.Wait()
	return s
}

// TestEverySecondIsWithinTwoPercent looks at every second that begins at a piece or shortly after.
func TestEverySecondIsWithinTwoPercent(t *testing.T) {
	for _, text := range []string{"10kB/s", "100kB/s", "5MB/s", "100Mbit/s"} {
		for _, conns := range []int{1, 7} {
			synctest.Test(t, func(t *testing.T) {
				s := pump(NewLimiter(parse(t, text)), conns, 4*time.Second)
				want := float64(parse(t, text).At(time.Now()))
				for from := time.Duration(0); from <= 3*time.Second; from += 7 * time.Millisecond {
					if got := float64(s.between(from, from+time.Second)); math.Abs(got-want) > 0.02*want {
						t.Fatalf("%s, %d connections: %.0f bytes in the second from %v", text, conns, got, from)
					}
				}
			})
		}
	}
}

// TestNothingIsSavedUp: after a minute in which nothing was sent the first second is like any other.
func TestNothingIsSavedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(parse(t, "1MB/s"))
		pump(l, 1, time.Second)
		time.Sleep(time.Minute)
		if got := pump(l, 3, time.Second).between(0, time.Second); float64(got) > 1.02*(1<<20) {
			t.Errorf("%d bytes in the first second", got)
		}
	})
}

// TestSetWhileWaiting: who waits for a slow cap goes on with a fast one at once, and the other way.
func TestSetWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(parse(t, "10kB/s"))
		go func() {
			time.Sleep(2500 * time.Millisecond)
			l.Set(parse(t, "10MB/s"))
			time.Sleep(2500 * time.Millisecond)
			l.Set(parse(t, "100kB/s"))
		}()
		s := pump(l, 5, 8*time.Second)
		near(t, "10kB/s", s.between(0, 2*time.Second), 2*10<<10)
		near(t, "10MB/s", s.between(2500*time.Millisecond, 4500*time.Millisecond), 2*10<<20)
		near(t, "100kB/s", s.between(5*time.Second, 8*time.Second), 3*100<<10)
	})
}

// TestSetOff: with the cap taken away who waits goes on without waiting at all.
func TestSetOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(parse(t, "10kB/s"))
		done := make(chan time.Duration)
		start := time.Now()
		go func() {
			if err := l.Wait(context.Background(), 1<<20); err != nil {
				t.Error(err)
			}
			done <- time.Since(start)
		}()
		time.Sleep(time.Second + time.Millisecond)
		l.Set(Schedule{})
		if took := <-done; took != time.Second+time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if l.Rate() != 0 {
			t.Errorf("rate %d", l.Rate())
		}
	})
}

// TestFollowsTheClock: the cap changes at the minute that the schedule says, also for who waits.
func TestFollowsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := time.Now().Truncate(time.Minute).Add(time.Minute)
		after := next.Add(time.Minute)
		text := "10kB/s@" + next.Add(-time.Hour).Format("15:04") + "-" + next.Format("15:04") +
			",5MB/s@" + next.Format("15:04") + "-" + after.Format("15:04") + ",100kB/s"
		time.Sleep(time.Until(next.Add(-10 * time.Second)))
		l := NewLimiter(parse(t, text))
		s := pump(l, 3, 100*time.Second)
		near(t, "before", s.between(0, 10*time.Second), 10*10<<10)
		near(t, "within", s.between(11*time.Second, 70*time.Second), 59*5<<20)
		near(t, "after", s.between(71*time.Second, 100*time.Second), 29*100<<10)
	})
}

// TestWaitEnds: with its context, and at once.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(parse(t, "10kB/s"))
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := l.Wait(ctx, 1<<20); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 1500*time.Millisecond {
			t.Errorf("error %v after %v", err, time.Since(start))
		}
	})
}

// TestGivingUpGivesBack: a wait that was ended has used nothing up.
func TestGivingUpGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(parse(t, "10kB/s"))
		gone := make(chan struct{})
		close(gone)
		for range 1000 {
			if _, ok := l.take(100, gone, nil); ok {
				t.Fatal("granted at once")
			}
		}
		start := time.Now()
		if _, ok := l.take(100, nil, nil); !ok || time.Since(start) > 20*time.Millisecond {
			t.Errorf("it took %v", time.Since(start))
		}
	})
}

// TestPieces are small where the cap is high, too.
func TestPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if k, ok := NewLimiter(parse(t, "10GB/s")).take(1<<20, nil, nil); !ok || k != 64<<10 {
			t.Errorf("a piece of %d bytes", k)
		}
	})
}

func TestNilLimiter(t *testing.T) {
	var l *Limiter
	if err := l.Wait(t.Context(), 1<<30); err != nil || l.Rate() != 0 || !l.Schedule().IsZero() {
		t.Errorf("error %v, rate %d", err, l.Rate())
	}
}

// TestTakesTurns: no connection gets more than its share of the pieces.
func TestTakesTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(parse(t, "20MB/s"))
		var got [8]int
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for i := range got {
			wg.Go(func() {
				for {
					k, ok := l.take(16<<10, ctx.Done(), nil)
					if !ok {
						return
					}
					got[i] += k
				}
			})
		}
		wg.Wait()
		for _, n := range got {
			near(t, "share of one", n, 5*20<<20/len(got))
		}
	})
}

func near(t *testing.T, what string, got, want int) {
	t.Helper()
	if math.Abs(float64(got-want)) > 0.02*float64(want) {
		t.Errorf("%s: %d bytes, want %d", what, got, want)
	}
}

// What is written through a Writer is as slow as the cap, and whole.
func TestWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(parse(t, "1MB/s"))
		var got bytes.Buffer
		w := l.Writer(t.Context(), &got)
		start := time.Now()
		row := make([]byte, 1000)
		for range 10_000 {
			if _, err := w.Write(row); err != nil {
				t.Fatal(err)
			}
		}
		took := time.Since(start).Seconds()
		if want := float64(got.Len()) / float64(l.Rate()); got.Len() != 10_000*len(row) || took < 0.95*want || took > 1.05*want {
			t.Errorf("%d bytes took %.2f s, want %.2f", got.Len(), took, want)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := l.Writer(ctx, &got).Write(make([]byte, 1<<20)); !errors.Is(err, context.Canceled) {
			t.Errorf("a write that nobody waits for: %v", err)
		}
		var none *Limiter
		if none.Writer(ctx, &got) != io.Writer(&got) {
			t.Error("no limiter stands in the way")
		}
	})
}
