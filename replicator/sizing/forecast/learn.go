package forecast

// Progress is how far a seed is that was forecast.
type Progress struct {
	Bytes   float64 // rows copied so far
	Copying float64 // seconds since the first of them, as long as it copies; else how long that took
	Elapsed float64 // seconds since the job began
	Copied  bool    // the last row is there
}

// trusted is the part of the copy after which its own speed alone counts.
const trusted = 0.1

// Learn corrects what is left of a forecast by how the copy really went. It returns the expected
// seconds of the whole seed, and the factor by which the copy is slower than was forecast.
func Learn(s Seed, bytes float64, p Progress) (total, factor float64) {
	factor = 1
	done := 1.0
	if !p.Copied && bytes > 0 {
		done = min(1, p.Bytes/bytes)
	}
	if s.Copy > 0 && done > 0 && p.Copying > 0 {
		measured := p.Copying / (s.Copy * done)
		weight := min(1, done/trusted)
		factor = weight*measured + (1-weight)*1
	}
	after := (s.Index + s.CatchUp + s.Constrain) * factor
	switch {
	case p.Copied:
		return max(p.Elapsed, s.Prepare+p.Copying+after), factor
	case p.Copying == 0:
		return max(p.Elapsed, s.Prepare) + s.Copy + after, factor
	}
	return p.Elapsed + (1-done)*s.Copy*factor + after, factor
}
