package forecast

import "math"

// simulate runs copy and indexes beside each other as the engine does: sessions take the chunks of one
// table after another, the steps of tables that are complete wait in line. It returns when the copy ends
// and how much longer the steps take.
func (w *Work) simulate() (copied, rest float64) {
	r := &run{w: w, left: make([]int, len(w.Tables)), open: make([]int, len(w.Tables))}
	for r.next(); len(r.chunks)+len(r.running) > 0; r.next() {
		r.advance()
	}
	return r.copied, r.at - r.copied
}

// run is one simulation under way.
type run struct {
	w       *Work
	at      float64
	copied  float64 // when the last table so far was complete
	table   int     // whose chunks are taken next
	taken   int     // chunks of it that were
	chunks  []chunk // on their way
	open    []int   // by table: chunks on their way
	waiting []step
	running []step
	left    []int // by table: steps that have not ended
}

// chunk is one on its way.
type chunk struct {
	table       int
	left        float64 // part of it, 1 to 0
	local, wire float64 // seconds, had it everything for itself
}

// step is an index, or what follows the indexes of its table.
type step struct {
	table int
	left  float64
	after bool
}

// next starts whatever can start.
func (r *run) next() {
	for len(r.chunks) < max(1, r.w.Path.Sessions) && r.table < len(r.w.Tables) {
		t := &r.w.Tables[r.table]
		local, wire := r.w.chunk(t)
		if local <= 0 && wire <= 0 {
			r.complete(r.table)
			r.table++
			continue
		}
		r.chunks = append(r.chunks, chunk{table: r.table, left: 1, local: local, wire: wire})
		r.open[r.table]++
		if r.taken++; r.taken >= t.Chunks {
			r.table, r.taken = r.table+1, 0
		}
	}
	for len(r.waiting) > 0 && len(r.running) < max(1, r.w.Path.IndexJobs) {
		r.running = append(r.running, r.waiting[0])
		r.waiting = r.waiting[1:]
	}
}

// complete puts the steps of a table that is copied in line.
func (r *run) complete(table int) {
	t := &r.w.Tables[table]
	for _, s := range t.Steps {
		r.waiting = append(r.waiting, step{table: table, left: s})
	}
	if r.left[table] = len(t.Steps); len(t.Steps) == 0 {
		r.waiting = append(r.waiting, step{table: table, left: t.After, after: true})
	}
	r.copied = r.at
}

// advance lets time pass until the first thing ends.
func (r *run) advance() {
	k := len(r.running)
	room, stepSpeed := 1.0, r.w.Path.each(k)
	if k > 0 {
		room = 1 - (1-share(r.w.Path.CopyBeside))*float64(k)/float64(max(1, r.w.Path.IndexJobs))
	}
	speeds, used := r.w.Path.speeds(r.chunks, room)
	if k > 0 && len(r.chunks) > 0 {
		// A copy that waits for the wire disturbs less.
		stepSpeed *= 1 - (1-share(r.w.Path.IndexBeside))*used
	}
	dt := math.Inf(1)
	for i, c := range r.chunks {
		dt = min(dt, c.left/speeds[i])
	}
	for _, s := range r.running {
		dt = min(dt, s.left/stepSpeed)
	}
	r.at += dt
	r.move(dt, speeds)
	r.work(dt * stepSpeed)
}

// move takes what was copied off every chunk on its way.
func (r *run) move(dt float64, speeds []float64) {
	still := r.chunks[:0]
	for i, c := range r.chunks {
		if c.left -= dt * speeds[i]; c.left > tiny {
			still = append(still, c)
			continue
		}
		if r.open[c.table]--; r.open[c.table] == 0 && r.table > c.table {
			r.complete(c.table)
		}
	}
	r.chunks = still
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
