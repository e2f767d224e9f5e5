// Package pace keeps the link to a number of bytes per second: a [Schedule] says how many at which
// time of day, a [Limiter] holds all connections together to it, and a [Conn] is a connection that
// waits for the limiter and measures what it does. It stands beneath TLS, so what counts is what goes
// over the wire but for the headers of TCP and IP.
package pace

import (
	"slices"
	"strings"
	"time"
)

// Schedule is how many bytes per second may go over the wire, by time of day. The zero Schedule caps
// nothing.
type Schedule struct {
	windows []window // sorted, none overlaps another
	rest    int64    // bytes per second outside of the windows; 0: no cap
}

// window is a part of every day, in minutes of the clock on the wall. One that ends before it begins
// goes over midnight.
type window struct {
	from, to int // to is not within; at most 24:00
	rate     int64
}

const dayEnd = 24 * 60

func (w window) covers(minute int) bool {
	if w.from < w.to {
		return w.from <= minute && minute < w.to
	}
	return minute >= w.from || minute < w.to
}

// At is the cap at a time, in bytes per second, by the clock on the wall in t's time zone; 0 is none.
// So when summer time begins or ends a window begins and ends at the same time of day as ever: it is
// an hour shorter or longer if the change lies within.
func (s Schedule) At(t time.Time) int64 {
	hour, minute, _ := t.Clock()
	for _, w := range s.windows {
		if w.covers(60*hour + minute) {
			return w.rate
		}
	}
	return s.rest
}

// IsZero reports whether nothing is ever capped.
func (s Schedule) IsZero() bool {
	return s.rest == 0 && !slices.ContainsFunc(s.windows, func(w window) bool { return w.rate != 0 })
}

// String is the text that Parse makes the same Schedule of.
func (s Schedule) String() string {
	var list []string
	for _, w := range s.windows {
		list = append(list, rateText(w.rate)+"@"+clock(w.from)+"-"+clock(w.to))
	}
	if s.rest != 0 || len(list) == 0 {
		list = append(list, rateText(s.rest))
	}
	return strings.Join(list, ",")
}
