package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args string
		want func(options) bool
	}{
		{"", func(o options) bool {
			return o.runs == 3 && o.scale == scaleOfGoal && len(o.scenarios) == len(scenarios)
		}},
		{"--quick", func(o options) bool { return o.runs == 1 && o.scale < scaleOfGoal && len(o.rates) == 1 }},
		{"--quick --runs 2 --scale 1 --rate 10", func(o options) bool { return o.runs == 2 && o.scale == 1 && o.rates[0] == 10 }},
		{"--rtt 0,80ms --scenario move", func(o options) bool {
			return o.rtts[1] == 80*time.Millisecond && len(o.scenarios) == 1 && strings.HasPrefix(o.program, "/")
		}},
	} {
		if o, err := parse(strings.Fields(tt.args), io.Discard); err != nil || !tt.want(o) {
			t.Errorf("%q: %+v, %v", tt.args, o, err)
		}
	}
	for _, args := range []string{"--scenario no-such", "--runs 0", "--scale -1", "--no-such", "--rate 0", "--rtt -1s"} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

func TestChosen(t *testing.T) {
	t.Parallel()
	all := subjects()
	for words, want := range map[string]int{"": len(all), "native": 2, "replicator": 1, "zstd": 2, "no such": 0} {
		var o options
		if words != "" {
			o.subjects = []string{words}
		}
		if got := o.chosen(all); len(got) != want {
			t.Errorf("%q chose %d subjects", words, len(got))
		}
	}
}
