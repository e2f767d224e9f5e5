package status

import (
	"testing"
	"time"
)

func TestMeter(t *testing.T) {
	sec := func(s float64) time.Time { return evening.Add(time.Duration(s * float64(time.Second))) }
	type add struct {
		at float64
		n  int64
	}
	for _, tc := range []struct {
		name string
		adds []add
		at   float64
		want float64
	}{
		{"nothing", nil, 10, 0},
		{"in its first second, no division by nothing", []add{{0, 100}}, 0.001, 100},
		{"since it began", []add{{0, 100}, {5, 100}}, 10, 20},
		{"two adds in a second", []add{{0, 100}, {0.5, 100}}, 10, 20},
		{"only the last half minute", []add{{0, 1e6}, {50, 600}}, 60, 20},
		{"a stall shows", []add{{0, 1e6}}, 31, 0},
		{"a bucket used again forgets what it held", []add{{0, 1e6}, {31, 300}}, 32, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var m meter
			for _, a := range tc.adds {
				m.add(sec(a.at), a.n)
			}
			if got := m.rate(sec(tc.at)); got != tc.want {
				t.Errorf("rate %v, want %v", got, tc.want)
			}
		})
	}
}
