package catchup

import (
	"fmt"

	"replicator/replicator/status"
)

// The timeline's measures, in the SVG's own units.
const (
	labelWidth = 220
	barsWidth  = 600
	barsEnd    = 120 // room for a bar's text
	rowHeight  = 24
	axisHeight = 28
	axisTicks  = 5
)

// timeline is the steps over time as the template draws them.
type timeline struct {
	Width, Height int
	Bars          []bar
	Ticks         []tick
}

type bar struct {
	Label, Took string
	Y, TextY    int
	X, Width    string // numbers of the SVG
	TookX       string
	Skipped     bool
	Failed      bool
}

type tick struct {
	X, Label string
	Bottom   int
}

// newTimeline lays out the report's steps between its start and the end of its last step.
func newTimeline(r *Report) timeline {
	total := r.Seconds()
	for _, s := range r.Steps {
		total = max(total, s.Started.Sub(r.Started).Seconds()+s.Seconds)
	}
	if total <= 0 {
		total = 1
	}
	x := func(seconds float64) float64 { return labelWidth + barsWidth*min(max(seconds, 0), total)/total }
	t := timeline{Width: labelWidth + barsWidth + barsEnd, Height: axisHeight + rowHeight*len(r.Steps)}
	for i := range axisTicks + 1 {
		at := total * float64(i) / axisTicks
		t.Ticks = append(t.Ticks, tick{X: number(x(at)), Label: status.Seconds(at), Bottom: t.Height})
	}
	for i, s := range r.Steps {
		began := s.Started.Sub(r.Started).Seconds()
		left, right := x(began), x(began+s.Seconds)
		y := axisHeight + i*rowHeight
		t.Bars = append(t.Bars, bar{
			Label: s.Name, Took: s.took(), Y: y + 4, TextY: y + 17, Skipped: s.Skipped, Failed: s.Failed,
			X: number(left), Width: number(max(right-left, 1)), TookX: number(max(right, left+1) + 6),
		})
	}
	return t
}

func number(f float64) string { return fmt.Sprintf("%.1f", f) }
