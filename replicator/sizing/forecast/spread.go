package forecast

import (
	"math"
	"slices"
)

// Range is a figure with how sure it is: P50 as likely too low as too high, P95 seldom passed.
type Range struct {
	P50 float64 `json:"p50_seconds"`
	P95 float64 `json:"p95_seconds"`
}

// leastSpread is what no sample of minutes can promise to be better than: checkpoints, other work on
// the same disks, another hour of the day.
const leastSpread = 0.08

// p95 is how many standard deviations P95 lies above P50.
const p95 = 1.645

// NewRange widens seconds by spread, a relative standard error.
func NewRange(seconds, spread float64) Range {
	return Range{P50: seconds, P95: seconds * (1 + p95*math.Hypot(spread, leastSpread))}
}

// Spread is the relative standard error of the mean of samples, 0 of fewer than three.
func Spread(samples []float64) float64 {
	n := float64(len(samples))
	if n < 3 {
		return 0
	}
	var sum, squares float64
	for _, v := range samples {
		sum += v
	}
	mean := sum / n
	if mean <= 0 {
		return 0
	}
	for _, v := range samples {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares/(n-1)/n) / mean
}

// Stretch is the relative error of what is reckoned from a part of the rows: what holds for a sample
// holds less for ten times as many, as sorts leave memory and caches are passed, and so on for each ten times.
func Stretch(part float64) float64 {
	if part <= 0 || part >= 1 {
		return 0
	}
	return tenTimes * -math.Log10(part)
}

const tenTimes = 0.05

// Quantile is the q-th of samples, 0 to 1; 0 of none.
func Quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(samples))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}
