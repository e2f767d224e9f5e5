package forecast

import "math"

// simulate runs copy and indexes beside each other as the engine does: tables are copied one after
// another, the steps of those that are complete wait in line. It returns when the copy ends and how
// much longer the steps take.
func (w *Work) simulate() (copied, rest float64) {
	r := &run{w: w, left: make([]int, len(w.Tables))}
	for r.next(); r.copying || len(r.running) > 0; r.next() {
		r.advance()
	}
	return r.copied, r.at - r.copied
}

// run is one simulation under way.
type run struct {
	w       *Work
	at      float64
	copied  float64 // when the copy ended
	table   int     // being copied, or the next one
	copying bool
	copy    float64 // seconds of it that are left, as alone
	waiting []step
	running []step
	left    []int // by table: steps that have not ended
}

// step is an index, or what follows the indexes of its table.
type step struct {
	table int
	left  float64
	after bool
}

// next starts whatever can start.
func (r *run) next() {
	for !r.copying && r.table < len(r.w.Tables) {
		r.copy = r.w.CopySeconds(&r.w.Tables[r.table])
		r.copying = r.copy > 0
		if !r.copying {
			r.complete()
		}
	}
	for len(r.waiting) > 0 && len(r.running) < max(1, r.w.Path.IndexJobs) {
		r.running = append(r.running, r.waiting[0])
		r.waiting = r.waiting[1:]
	}
}

// complete puts the steps of the table that is copied in line.
func (r *run) complete() {
	t := &r.w.Tables[r.table]
	for _, s := range t.Steps {
		r.waiting = append(r.waiting, step{table: r.table, left: s})
	}
	if r.left[r.table] = len(t.Steps); len(t.Steps) == 0 {
		r.waiting = append(r.waiting, step{table: r.table, left: t.After, after: true})
	}
	r.table++
	r.copying, r.copied = false, r.at
}

// advance lets time pass until the first thing ends.
func (r *run) advance() {
	k := len(r.running)
	copySpeed, stepSpeed := 1.0, r.w.Path.each(k)
	if r.copying && k > 0 {
		copySpeed = 1 - (1-share(r.w.Path.CopyBeside))*float64(k)/float64(max(1, r.w.Path.IndexJobs))
		stepSpeed *= share(r.w.Path.IndexBeside)
	}
	dt := math.Inf(1)
	if r.copying {
		dt = r.copy / copySpeed
	}
	for _, s := range r.running {
		dt = min(dt, s.left/stepSpeed)
	}
	r.at += dt
	if r.copying {
		if r.copy -= dt * copySpeed; r.copy <= tiny {
			r.complete()
		}
	}
	r.work(dt * stepSpeed)
}

// work takes what was done off every step that runs.
func (r *run) work(done float64) {
	still := r.running[:0]
	for _, s := range r.running {
		if s.left -= done; s.left > tiny {
			still = append(still, s)
			continue
		}
		if s.after {
			continue
		}
		if r.left[s.table]--; r.left[s.table] == 0 {
			r.waiting = append(r.waiting, step{table: s.table, left: r.w.Tables[s.table].After, after: true})
		}
	}
	r.running = still
}

// tiny is what rounding may leave of something that has ended.
const tiny = 1e-9

// share keeps a measured speed within what makes sense: noise must not stop or double anything.
func share(v float64) float64 { return min(1, max(leastShare, v)) }

const leastShare = 0.05

// each is the speed of one of k steps at once.
func (p Path) each(k int) float64 {
	if k <= 1 || p.IndexJobs <= 1 {
		return 1
	}
	top := min(max(1, p.Speedup), float64(p.IndexJobs))
	return (1 + (top-1)*float64(k-1)/float64(p.IndexJobs-1)) / float64(k)
}

// together is how long steps take that do not depend on each other, with nothing beside them.
func (p Path) together(steps []float64) float64 {
	w := Work{Path: p, Tables: []Table{{Steps: steps}}}
	_, s := w.simulate()
	return s
}
