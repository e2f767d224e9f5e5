package pace

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	const mb = 1 << 20
	for _, tc := range []struct {
		text, canonical string
		at              map[string]int64
	}{
		{"", "off", map[string]int64{"00:00": 0, "12:00": 0}},
		{"off", "off", map[string]int64{"12:00": 0}},
		{"0", "off", map[string]int64{"12:00": 0}},
		{"0MB/s", "off", map[string]int64{"12:00": 0}},
		{"40MB/s", "40MB/s", map[string]int64{"00:00": 40 * mb, "23:59": 40 * mb}},
		{"1024kB/s", "1MB/s", map[string]int64{"12:00": mb}},
		{"100Mbit/s", "100Mbit/s", map[string]int64{"12:00": 12_500_000}},
		{"1Gbit/s", "1Gbit/s", map[string]int64{"12:00": 125_000_000}},
		{"1000Mbit/s", "1Gbit/s", map[string]int64{"12:00": 125_000_000}},
		{"2 GB/s", "2GB/s", map[string]int64{"12:00": 2 << 30}},
		{"123457B/s", "123457B/s", map[string]int64{"12:00": 123457}},
		{"40MB/s@07:00-20:00,200MB/s@20:00-07:00", "40MB/s@07:00-20:00,200MB/s@20:00-07:00",
			map[string]int64{"06:59": 200 * mb, "07:00": 40 * mb, "19:59": 40 * mb, "20:00": 200 * mb, "00:00": 200 * mb}},
		{"200MB/s@20:00-07:00, 40MB/s@07:00-20:00", "40MB/s@07:00-20:00,200MB/s@20:00-07:00", nil},
		{"40MB/s@07:00-20:00", "40MB/s@07:00-20:00", map[string]int64{"06:59": 0, "07:00": 40 * mb, "20:00": 0}},
		{"40MB/s@07:00-20:00,100MB/s", "40MB/s@07:00-20:00,100MB/s", map[string]int64{"06:59": 100 * mb, "07:00": 40 * mb}},
		{"off@20:00-07:00,40MB/s", "off@20:00-07:00,40MB/s", map[string]int64{"23:00": 0, "12:00": 40 * mb}},
		{"40MB/s@00:00-24:00", "40MB/s@00:00-24:00", map[string]int64{"00:00": 40 * mb, "23:59": 40 * mb}},
		{"40MB/s@20:00-00:00", "40MB/s@20:00-24:00", map[string]int64{"19:59": 0, "23:59": 40 * mb, "00:00": 0}},
		{"40MB/s@23:59-00:01", "40MB/s@23:59-00:01", map[string]int64{"23:58": 0, "23:59": 40 * mb, "00:00": 40 * mb, "00:01": 0}},
	} {
		s, err := Parse(tc.text)
		if err != nil {
			t.Errorf("%q: %v", tc.text, err)
			continue
		}
		if got := s.String(); got != tc.canonical {
			t.Errorf("%q becomes %q, want %q", tc.text, got, tc.canonical)
		}
		for at, want := range tc.at {
			if got := s.At(wall(t, time.UTC, "2026-03-01 "+at)); got != want {
				t.Errorf("%q at %s: %d, want %d", tc.text, at, got, want)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"40MB": errForm, "40": errForm, "MB/s": errForm, "-1MB/s": errForm, "1.5MB/s": errForm, "40mb/s": errForm, "40MB/s@": errForm, "40MB/s,": errForm,
		"40MB/s@7:00-20:00": errForm, "40MB/s@07:00": errForm, "40MB/s@07:60-08:00": errForm, "40MB/s@24:00-08:00": errForm, "40MB/s@07:00-24:01": errForm,
		"40MB/s@+7:00-08:00": errForm, "40MB/s@07:00-08:00-09:00": errForm, "9999999999TB/s": errForm, "1025TB/s": errForm, "18446744073709551616B/s": errForm,
		"1kB/s": errLeast, "1B/s": errLeast, "10239B/s": errLeast,
		"40MB/s,50MB/s":                                    nil,
		"40MB/s@07:00-07:00":                               nil,
		"40MB/s@07:00-20:00,50MB/s@19:59-21:00":            nil,
		"40MB/s@20:00-07:00,50MB/s@06:00-08:00":            nil,
		"40MB/s@20:00-07:00,50MB/s@23:00-01:00":            nil,
		"40MB/s@00:00-24:00,50MB/s@12:00-12:01":            nil,
		"1MB/s@07:00-08:00,1MB/s@07:00-08:00,1MB/s":        nil,
		"1MB/s@07:00-08:00,off,2MB/s@08:00-09:00,40Mbit/s": nil,
	} {
		s, err := Parse(text)
		if err == nil || want != nil && err != want {
			t.Errorf("%q: %v, error %v; want %v", text, s, err, want)
		}
	}
}

// TestDaylightSaving: windows go by the clock on the wall, which in Berlin goes from 02:00 to 03:00 in
// March, and from 03:00 back to 02:00 in October.
func TestDaylightSaving(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	s, err := Parse("40MB/s@02:30-07:00,1MB/s@02:00-02:30")
	if err != nil {
		t.Fatal(err)
	}
	count := func(from, to string, rate int64) (minutes int) {
		for at := wall(t, berlin, from); at.Before(wall(t, berlin, to)); at = at.Add(time.Minute) {
			if s.At(at) == rate {
				minutes++
			}
		}
		return minutes
	}
	for _, tc := range []struct {
		day          string
		small, large int
	}{{"2026-03-28", 30, 270}, {"2026-03-29", 0, 240}, {"2026-10-25", 60, 300}} {
		from, to := tc.day+" 00:00", tc.day+" 12:00"
		if small, large := count(from, to, 1<<20), count(from, to, 40<<20); small != tc.small || large != tc.large {
			t.Errorf("%s: windows of %d and %d minutes, want %d and %d", tc.day, small, large, tc.small, tc.large)
		}
	}
}

// TestCanonical: whatever can be parsed has a text that means the same at every minute of the day.
func TestCanonical(t *testing.T) {
	r := seeded(t)
	names := []string{"kB/s", "MB/s", "GB/s", "Mbit/s", "Gbit/s"}
	parsed := 0
	for range 3000 {
		var text string
		for i := range 1 + r.IntN(3) {
			if i > 0 {
				text += ","
			}
			text += fmt.Sprint(r.IntN(2000)) + names[r.IntN(len(names))]
			if r.IntN(5) > 0 {
				text += "@" + clock(15*r.IntN(96)) + "-" + clock(15*r.IntN(97))
			}
		}
		s, err := Parse(text)
		if err != nil {
			continue
		}
		parsed++
		again, err := Parse(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q: its text %q becomes %q, error %v", text, s, again, err)
		}
		for at := wall(t, time.UTC, "2026-03-01 00:00"); at.Day() == 1; at = at.Add(time.Minute) {
			if s.At(at) != again.At(at) {
				t.Fatalf("%q and its text %q differ at %s", text, s, at)
			}
		}
	}
	if parsed < 100 {
		t.Errorf("only %d of the texts could be parsed", parsed)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"", "off", "40MB/s", "40MB/s@07:00-20:00,200MB/s@20:00-07:00", "1Gbit/s@00:00-24:00", "8kB/s@:-:", "40MB/s@23:59-00:00,off"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(s.String()); err != nil || again.String() != s.String() {
			t.Errorf("%q: its text %q becomes %q, error %v", text, s, again, err)
		}
	})
}

func wall(t *testing.T, zone *time.Location, text string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// seeded is a random source that a failure can be replayed with.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if s, err := strconv.ParseUint(os.Getenv("REPLICATOR_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("REPLICATOR_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
