package pace

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// units are PostgreSQL's, and those of people who care for networks.
var units = []struct {
	name  string
	bytes int64
}{
	{"TB/s", 1 << 40}, {"GB/s", 1 << 30}, {"Gbit/s", 125_000_000}, {"MB/s", 1 << 20}, {"Mbit/s", 125_000}, {"kB/s", 1 << 10}, {"B/s", 1},
}

// The least cap leaves room for handshakes within their time; who means to stop the copy stops it.
const (
	least = 10 << 10
	most  = 1 << 50
)

var (
	errForm  = errors.New("not a rate such as 40MB/s or 300Mbit/s, off, or rates by time of day: 40MB/s@07:00-20:00,200MB/s@20:00-07:00")
	errLeast = errors.New("the least rate is 10kB/s")
)

// Parse reads a rate for all day, 0 or off or nothing for no cap, or a list of rates each with a
// window of the day: 40MB/s@07:00-20:00,200MB/s@20:00-07:00. Windows may go over midnight but not
// overlap. A rate in the list without one is for the rest of the day; where there is none the rest
// has no cap. Errors do not repeat the text.
func Parse(text string) (Schedule, error) {
	var s Schedule
	if text == "" {
		return s, nil
	}
	rest := false
	for item := range strings.SplitSeq(text, ",") {
		rateText, times, windowed := strings.Cut(strings.TrimSpace(item), "@")
		rate, err := parseRate(rateText)
		if err != nil {
			return Schedule{}, err
		}
		if !windowed {
			if rest {
				return Schedule{}, errors.New("two rates without a time of day")
			}
			s.rest, rest = rate, true
			continue
		}
		w, err := parseWindow(times)
		if err != nil {
			return Schedule{}, err
		}
		w.rate = rate
		s.windows = append(s.windows, w)
	}
	slices.SortFunc(s.windows, func(a, b window) int { return a.from - b.from })
	if err := s.apart(); err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// apart refuses windows that overlap.
func (s Schedule) apart() error {
	for minute := range dayEnd {
		n := 0
		for _, w := range s.windows {
			if w.covers(minute) {
				n++
			}
		}
		if n > 1 {
			return fmt.Errorf("two rates for the same time of day: at %s", clock(minute))
		}
	}
	return nil
}

func parseRate(text string) (int64, error) {
	if text == "off" || text == "0" {
		return 0, nil
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 62)
		switch {
		case err != nil || int64(n) > most/u.bytes:
			return 0, errForm
		case n > 0 && int64(n)*u.bytes < least:
			return 0, errLeast
		}
		return int64(n) * u.bytes, nil
	}
	return 0, errForm
}

// rateText is the shortest text for a rate.
func rateText(rate int64) string {
	for _, u := range units {
		if rate > 0 && rate%u.bytes == 0 {
			return strconv.FormatInt(rate/u.bytes, 10) + u.name
		}
	}
	return "off"
}

func parseWindow(text string) (window, error) {
	from, to, ok := strings.Cut(text, "-")
	a, okFrom := parseClock(from)
	b, okTo := parseClock(to)
	switch {
	case !ok || !okFrom || !okTo || a == dayEnd:
		return window{}, errForm
	case a == b:
		return window{}, errors.New("a time of day that ends when it begins; all day is 00:00-24:00")
	case b == 0:
		b = dayEnd
	}
	return window{from: a, to: b}, nil
}

// parseClock reads HH:MM as minutes of the day; 24:00 is its end.
func parseClock(text string) (minutes int, ok bool) {
	if len(text) != len("00:00") || text[2] != ':' {
		return 0, false
	}
	h, errH := strconv.ParseUint(text[:2], 10, 8)
	m, errM := strconv.ParseUint(text[3:], 10, 8)
	minutes = int(60*h + m)
	return minutes, errH == nil && errM == nil && m < 60 && minutes <= dayEnd
}

func clock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }
