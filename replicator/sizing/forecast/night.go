package forecast

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Night is the hours in which the services stand still: an hour of the day, and for how long.
type Night struct {
	Begin time.Duration `json:"begin_ns"` // since midnight
	Long  time.Duration `json:"long_ns"`
}

// ParseNight reads 19:00+10h.
func ParseNight(s string) (Night, error) {
	clock, long, ok := strings.Cut(s, "+")
	at, err := time.Parse("15:04", clock)
	if !ok || err != nil {
		return Night{}, errors.New("takes an hour of the day and how long it lasts, as in 19:00+10h")
	}
	d, err := time.ParseDuration(long)
	if err != nil || d <= 0 || d > 7*24*time.Hour {
		return Night{}, errors.New("takes a duration after the plus, as in 19:00+10h or 22:30+90m")
	}
	return Night{Begin: time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute, Long: d}, nil
}

func (n Night) String() string {
	return fmt.Sprintf("%02d:%02d+%s", int(n.Begin.Hours()), int(n.Begin.Minutes())%60, n.Long)
}

// Next is when the night begins that comes after now, in now's time zone.
func (n Night) Next(now time.Time) time.Time {
	y, m, d := now.Date()
	for ; ; d++ {
		// By the clock on the wall: midnight plus hours is another time on a day that clocks are changed.
		at := time.Date(y, m, d, int(n.Begin.Hours()), int(n.Begin.Minutes())%60, 0, 0, now.Location())
		if at.After(now) {
			return at
		}
	}
}

// lifting is what it takes to lift the fence. How long the services on the old side take to be up again
// the operator knows, and adds.
const lifting = time.Minute

// Deadlines are the moments after which something no longer fits into the night.
type Deadlines struct {
	Night Night     `json:"night"`
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
	Seed  time.Time `json:"latest_seed"`  // latest safe start of the pre-seed, for it to follow when the night begins
	Fence time.Time `json:"latest_fence"` // latest safe start of the catch-up
	Abort time.Time `json:"latest_abort"` // latest moment to lift the fence again and still be up at the end
	Fits  bool      `json:"fits"`         // the catch-up fits into the night
	Late  bool      `json:"seed_too_late"`
}

// Deadlines of the next night, by the P95 of both.
func (n Night) Deadlines(now time.Time, seed, open Range) Deadlines {
	d := Deadlines{Night: n, Begin: n.Next(now)}
	d.End = d.Begin.Add(n.Long)
	d.Seed = d.Begin.Add(-seconds(seed.P95))
	d.Fence = d.End.Add(-seconds(open.P95))
	d.Abort = d.End.Add(-lifting)
	d.Fits, d.Late = !d.Fence.Before(d.Begin), d.Seed.Before(now)
	return d
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
