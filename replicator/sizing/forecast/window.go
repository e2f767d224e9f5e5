package forecast

// Finish is what a catch-up has to do.
type Finish struct {
	Fixed     float64 `json:"fixed_seconds"` // gates, fence, markers, proof, open
	Lag       float64 `json:"lag_changes"`   // row changes not applied when the fence goes up
	Apply     float64 `json:"applied_per_second"`
	Late      float64 `json:"late_seconds"`  // of tables that are copied at the fence, their indexes too
	Steps     float64 `json:"steps_seconds"` // sequences, triggers, views
	Compare   float64 `json:"compare_bytes"` // that both sides read; 0 where changed rows alone are compared
	ScanRate  float64 `json:"scan_bytes_per_second"`
	PerTable  float64 `json:"per_table_seconds"`
	Tables    int     `json:"tables"`
	Changed   float64 `json:"changed_rows"` // since the last proof, where they alone are compared
	KeyLookup float64 `json:"lookups_per_second"`
	Sums      float64 `json:"fingerprint_bytes"` // that come back over a link
	Down      float64 `json:"link_down_bytes_per_second"`
}

// Window is the time from the fence to the opening.
type Window struct {
	Fixed   float64 `json:"fixed_seconds"`
	Drain   float64 `json:"drain_seconds"`
	Late    float64 `json:"late_seconds"`
	Steps   float64 `json:"steps_seconds"`
	Compare float64 `json:"compare_seconds"`
	Total   float64 `json:"total_seconds"`
}

// Window forecasts f.
func (f *Finish) Window() Window {
	w := Window{Fixed: f.Fixed, Late: f.Late, Steps: f.Steps, Compare: float64(f.Tables) * f.PerTable}
	w.Drain = over(f.Lag, f.Apply)
	// Fingerprints of one table are on their way while another is read.
	w.Compare += max(over(f.Compare, f.ScanRate), over(f.Sums, f.Down)) + over(f.Changed, f.KeyLookup)
	w.Total = w.Fixed + w.Drain + w.Late + w.Steps + w.Compare
	return w
}

func over(n, rate float64) float64 {
	if n <= 0 || rate <= 0 {
		return 0
	}
	return n / rate
}
