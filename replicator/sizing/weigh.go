package sizing

import (
	"strings"

	"replicator/chunker"
)

// What holds a copy up is either the wire or all the rest: source, processors, target. A sample tells the
// one that is slower; the two are kept apart, because tables differ in both.

// full is the part of the wire's rate from which rows of a kind were held up by it.
const full = 0.8

// weigh turns what was moved into a cost of a chunk, a rate of bytes for each kind where no wire is in
// the way, and what the wire carries.
func (t *trial) weigh(r *Report) {
	path := &t.p.Work.Path
	path.Sessions, path.Alone = t.o.Jobs, oneOf(readPoints(r.Source))
	t.weighWire(r)
	// Small tables are mostly chunks, large ones mostly bytes; two rounds are enough for the two to agree.
	for range 2 {
		for i := range t.p.Kinds {
			t.weighKind(&t.p.Kinds[i])
		}
	}
	for _, k := range t.p.Kinds {
		if t.wired[k.Kind] && k.Kind != Small {
			t.rates[k.Kind] = max(k.Rate, t.unhindered(r, k.Kind))
		}
	}
	small := t.best()
	for _, k := range t.p.Kinds {
		if t.rates[k.Kind] == 0 {
			t.rates[k.Kind] = k.Rate // nothing tells more: the rate has everything in it
		}
		if k.Kind != Small && t.wired[k.Kind] && t.best() == 0 {
			small = max(small, t.rates[k.Kind])
		}
	}
	if small > 0 {
		t.rates[Small] = small
	}
}

// weighWire finds what the wire carries and which kinds it held up.
func (t *trial) weighWire(r *Report) {
	if t.s.remote == nil {
		return
	}
	path := &t.p.Work.Path
	if n := r.Network; n != nil {
		path.Wire, path.OneStream = n.Wire, oneOf(n.Up)
	} else if strings.HasPrefix(t.p.Stage, "the link") {
		path.Wire = t.p.Wire
	}
	var packed, seconds float64
	arrived := true
	for _, k := range t.p.Kinds {
		took := over(k.Bytes, k.Rate)
		if t.wired[k.Kind] = path.Wire > 0 && over(k.Packed, path.Wire) >= full*took; t.wired[k.Kind] && k.Kind != Small {
			packed += k.Packed
			seconds += took
			arrived = arrived && k.Chunks > 0
		}
	}
	// What rows made of the wire, which have arrived when their chunk is committed, counts more than what
	// noise did in less time.
	switch {
	case seconds >= longer && arrived:
		path.Wire = packed / seconds
	case seconds > 0:
		path.Wire = min(path.Wire, packed/seconds)
	}
	if r.Source != nil { // changes go over it as well
		path.Wire = max(path.Wire/2, path.Wire-r.Source.Changes.Rows/3600*changeBytes)
	}
}

// longer is from how many seconds rows tell more of the wire than the measurement of the network does.
const longer = 2

// weighKind is the rate of a kind, or the cost of a chunk if it is the small one.
func (t *trial) weighKind(k *KindPath) {
	s := over(k.Bytes, k.Rate)
	large := t.best()
	switch {
	case k.Kind == Small && k.Chunks < 2*t.o.Jobs*workersPerSession:
		// So few were never under way at once: their time is the way there and back, which others share.
	case k.Kind == Small && k.Chunks > 0 && large > 0:
		t.chunk = max(0, s-max(over(k.Bytes, large), over(k.Packed, t.p.Work.Path.Wire))) / float64(k.Chunks)
	case k.Kind == Small || t.wired[k.Kind]:
	default:
		// No more than half of the time can have gone into chunks: else the sample says nothing of bytes.
		if s = max(s/2, s-t.chunk*float64(k.Chunks)); s > 0 {
			t.rates[k.Kind] = k.Bytes / s
		}
	}
}

// unhindered is what rows of a kind that the wire held up would do without it: as those that it did not
// hold up, or half of what the slowest part of the source end does alone, for all parts share processors.
func (t *trial) unhindered(r *Report, kind Kind) float64 {
	if best := t.best(); best > 0 {
		return best
	}
	if r.Source == nil {
		return 0
	}
	rate := 0.0
	for _, k := range r.Source.Kinds {
		if n := len(k.Read); n > 0 && k.Kind == kind {
			rate = k.Read[n-1].Rate
		}
	}
	if n := len(r.Source.Overall); n > 0 {
		rate = min(rate, r.Source.Overall[n-1].Rate*float64(r.Chosen.CPUs))
	}
	return explained * rate
}

// best is the rate of the large kinds that no wire held up, weighted by what was moved.
func (t *trial) best() float64 {
	var bytes, seconds float64
	for _, k := range t.p.Kinds {
		if k.Kind == Small || t.wired[k.Kind] {
			continue
		}
		rate := t.rates[k.Kind]
		if rate == 0 {
			rate = k.Rate
		}
		bytes += k.Bytes
		seconds += over(k.Bytes, rate)
	}
	return over(bytes, seconds)
}

// packing is how many bytes of the wire a byte of a table's rows takes: as its own sample did, or as rows
// of the table did at the source end, or as others of its kind.
func (t *trial) packing(r *Report, table *chunker.Table) float64 {
	if t.p.Work.Path.Wire == 0 {
		return 0
	}
	if st := t.tables[table.OID]; st != nil {
		if part, ok := st.packing(); ok {
			return part
		}
	}
	if part := packedAlone(r.Source, table.String()); part > 0 {
		return part
	}
	var bytes, packed float64
	for _, k := range t.p.Kinds {
		if k.Kind == kindOf(table) && k.Packed > 0 {
			return k.Packed / k.Bytes
		}
		bytes += k.Bytes
		packed += k.Packed
	}
	if bytes == 0 {
		return 1
	}
	return packed / bytes
}

// packedAlone is what the source part found of a table at the best level; 0 of none.
func packedAlone(s *Source, table string) float64 {
	best := 0.0
	if s == nil {
		return 0
	}
	for _, p := range s.Packing {
		for _, l := range p.Levels {
			if p.Table == table {
				best = max(best, l.Ratio)
			}
		}
	}
	return over(1, best)
}

// oneOf is which part of the best rate one connection reaches alone; 0 where that was not measured.
func oneOf(list []Point) float64 {
	_, best := fills(list)
	if best <= 0 || list[0].Connections != 1 {
		return 0
	}
	return list[0].Rate / best
}

// readPoints are the rates at which the kind with the most bytes was read.
func readPoints(s *Source) (list []Point) {
	var most int64
	if s == nil {
		return nil
	}
	for _, k := range s.Kinds {
		if len(k.Read) > 0 && k.Bytes > most {
			most, list = k.Bytes, k.Read
		}
	}
	return list
}
