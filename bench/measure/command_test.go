package measure

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestCommand runs what is asked for, reports also when a scenario fails, and refuses what it does not know.
func TestCommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args, ran, says string
	}{
		{"", "one ", ""},
		{"--scenario asked", "asked ", ""},
		{"--scenario one,fails,asked", "one fails ", "scenario fails: broken"},
		{"--scenario none", "", "no scenario"},
		{"--runs 0", "", "at least 1"},
	} {
		var ran, out strings.Builder
		scenario := func(name string, asked bool, err error) Scenario {
			return Scenario{name, asked, func(context.Context, *Report) error { ran.WriteString(name + " "); return err }}
		}
		c := &Command{Name: "b", Scenarios: []Scenario{scenario("one", false, nil), scenario("fails", true, errors.New("broken")), scenario("asked", true, nil)}}
		err := c.Run(t.Context(), strings.Fields(tt.args), &out, io.Discard)
		if ran.String() != tt.ran || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q ran %q: %v", tt.args, ran.String(), err)
		}
		if tt.ran != "" && !strings.Contains(out.String(), "bench/b "+tt.args) {
			t.Errorf("%q reported %q", tt.args, out.String())
		}
	}
}

// TestRatios are medians of the ratios run by run, not ratios of medians.
func TestRatios(t *testing.T) {
	t.Parallel()
	g := (&Report{}).Group("g", "seconds")
	ours, peer := g.Subject("a", Ours, ""), g.Subject("b", Peer, "")
	for _, s := range [][2]float64{{1, 2}, {4, 8}, {9, 10}} {
		ours.Add(Values{"seconds": s[0]})
		peer.Add(Values{"seconds": s[1]})
	}
	g.Ratios()
	if got := peer.Median[OursOver]; got != 0.5 {
		t.Errorf("ours over theirs is %v", got)
	}
	if _, has := ours.Median[OursOver]; has {
		t.Error("ours is compared with itself")
	}
}
