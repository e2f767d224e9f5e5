package forecast

import "slices"

// rounds of dividing: what one chunk cannot use of the wire, as it waits for something else, others get.
const rounds = 4

// speeds are how fast each chunk goes, in parts of it a second. All share the wire, and everything else
// up to room. used is how much of the latter they take, as part of room.
func (p Path) speeds(list []chunk, room float64) (speeds []float64, used float64) {
	local, wire := make([]float64, len(list)), make([]float64, len(list))
	for i, c := range list {
		local[i], wire[i] = c.local, c.wire
	}
	alone, stream := portion(p.Alone)*room, portion(p.OneStream)
	speeds = make([]float64, len(list))
	held := make([]float64, len(list)) // by the wire
	for i := range list {
		held[i] = limit(stream, wire[i])
	}
	for range rounds {
		for i := range list {
			speeds[i] = min(limit(alone, local[i]), held[i])
		}
		divide(room, local, speeds)
		copy(held, speeds)
		divide(1, wire, held)
	}
	for i := range list {
		speeds[i] = min(speeds[i], held[i])
		used += speeds[i] * local[i]
	}
	return speeds, min(1, used/room)
}

// portion is v where it was measured, and everything where not.
func portion(v float64) float64 {
	if v <= 0 {
		return 1
	}
	return min(1, v)
}

// unlimited is the speed of a chunk that needs nothing of something.
const unlimited = 1e12

func limit(capacity, need float64) float64 {
	if need <= 0 {
		return unlimited
	}
	return min(unlimited, capacity/need)
}

// divide lowers speeds until all together need no more than capacity: each gets the same share, and what
// some do not need goes to the others.
func divide(capacity float64, need, speeds []float64) {
	order := make([]int, len(need))
	for i := range order {
		order[i] = i
	}
	wants := func(i int) float64 { return need[i] * speeds[i] }
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case wants(a) < wants(b):
			return -1
		case wants(a) > wants(b):
			return 1
		}
		return a - b
	})
	for n, i := range order {
		fair := capacity / float64(len(order)-n)
		if wants(i) > fair {
			speeds[i] = fair / need[i]
		}
		capacity -= wants(i)
	}
}
