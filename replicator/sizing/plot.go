package sizing

import (
	"fmt"
	"math"
	"strings"
)

// plot is a picture as the template draws it: bars, or lines over a number of connections.
type plot struct {
	Title         string
	Width, Height int
	Bars          []drawnBar
	Lines         []drawnLine
	Ticks         []tick
}

type drawnBar struct {
	Label, Value string
	Y, TextY     int
	Width        float64
	ValueX       float64
}

type drawnLine struct {
	Label, Points, Class string
	LabelX, LabelY       float64
}

type tick struct {
	X, Y  float64
	Label string
	Grid  bool // a line across, not a number below
}

// bar and series are what is to be drawn.
type bar struct {
	label string
	value float64
}

type series struct {
	label  string
	points []Point
}

// The canvas.
const (
	plotWidth  = 640
	labelSpace = 120
	valueSpace = 110
	barSpace   = 24
	lineHeight = 220
	margin     = 28
)

// bars draws values as bars of a common scale.
func bars(title string, spell func(float64) string, list []bar) plot {
	p := plot{Title: title, Width: plotWidth}
	most := 0.0
	for _, b := range list {
		most = max(most, b.value)
	}
	if most <= 0 {
		return p
	}
	for i, b := range list {
		w := b.value / most * (plotWidth - labelSpace - valueSpace)
		p.Bars = append(p.Bars, drawnBar{Label: b.label, Value: spell(b.value), Y: i * barSpace, TextY: i*barSpace + 13,
			Width: math.Round(w*10) / 10, ValueX: labelSpace + math.Round(w) + 6})
	}
	p.Height = len(list) * barSpace
	return p
}

// lineplot draws rates by connections, from zero.
func lineplot(title string, list []series) plot {
	p := plot{Title: title, Width: plotWidth, Height: lineHeight}
	most, widest := 0.0, 1
	for _, s := range list {
		for _, q := range s.points {
			most, widest = max(most, q.Rate), max(widest, q.Connections)
		}
	}
	if most <= 0 {
		return plot{Title: title}
	}
	x := func(n int) float64 {
		return labelSpace + float64(n-1)/float64(max(1, widest-1))*(plotWidth-labelSpace-valueSpace)
	}
	y := func(rate float64) float64 { return lineHeight - margin - rate/most*(lineHeight-2*margin) }
	for _, part := range []float64{0, 0.5, 1} {
		p.Ticks = append(p.Ticks, tick{X: labelSpace, Y: y(part * most), Label: perSecond(part * most), Grid: true})
	}
	for n := 1; n <= widest; n *= 2 {
		p.Ticks = append(p.Ticks, tick{X: x(n), Y: lineHeight - 6, Label: fmt.Sprint(n)})
	}
	for i, s := range list {
		if len(s.points) == 0 {
			continue
		}
		var at []string
		for _, q := range s.points {
			at = append(at, fmt.Sprintf("%.1f,%.1f", x(q.Connections), y(q.Rate)))
		}
		last := s.points[len(s.points)-1]
		p.Lines = append(p.Lines, drawnLine{Label: s.label, Points: strings.Join(at, " "), Class: fmt.Sprintf("c%d", i%4),
			LabelX: x(last.Connections) + 6, LabelY: y(last.Rate) + 4})
	}
	return p
}

// shown leaves out plots without anything in them.
func shown(list []plot) (out []plot) {
	for _, p := range list {
		if len(p.Bars)+len(p.Lines) > 0 {
			out = append(out, p)
		}
	}
	return out
}
