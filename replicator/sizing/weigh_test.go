package sizing

import (
	"math"
	"testing"

	"replicator/chunker"
	"replicator/replicator/link"
)

func about(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 0.01*want {
		t.Errorf("%s: %v, want about %v", what, got, want)
	}
}

// weighedTrial is one over a wire of a million bytes a second, in which these kinds were moved.
func weighedTrial(kinds ...KindPath) (*trial, *Report) {
	t := &trial{o: &Options{Jobs: 2}, p: &Path{Kinds: kinds}, s: &scratch{remote: new(link.Remote)}, rates: map[Kind]float64{}, wired: map[Kind]bool{}}
	r := &Report{Network: &Network{Wire: 1e6, Up: []Point{{Connections: 1, Rate: 0.8e6}, {Connections: 2, Rate: 1e6}}},
		Source: &Source{Kinds: []KindRate{{Kind: Toast, Bytes: 1, Read: []Point{{Connections: 1, Rate: 6e6}, {Connections: 2, Rate: 8e6}}}}}}
	t.weigh(r)
	return t, r
}

// TestWireAndRestAreToldApart: what filled the wire says nothing of the rest, and the other way round.
func TestWireAndRestAreToldApart(t *testing.T) {
	t.Parallel()
	c, r := weighedTrial(
		KindPath{Kind: Toast, Chunks: 10, Bytes: 9e6, Packed: 9e6, Rate: 0.9e6}, // ten seconds, of which the wire had nine
		KindPath{Kind: Narrow, Chunks: 10, Bytes: 40e6, Packed: 1e6, Rate: 10e6},
		KindPath{Kind: Small, Chunks: 100, Bytes: 1e6, Packed: 0.1e6, Rate: 0.5e6})
	if !c.wired[Toast] || c.wired[Narrow] || c.wired[Small] {
		t.Errorf("held up by the wire: %v", c.wired)
	}
	path := c.p.Work.Path
	about(t, "the wire, as rows fill it", path.Wire, 0.9e6)
	about(t, "one stream", path.OneStream, 0.8)
	about(t, "one session", path.Alone, 0.75)
	// Two seconds for a hundred small chunks, a tenth of one for their bytes at the rate of large ones.
	about(t, "a chunk", c.chunk, 0.019)
	about(t, "narrow rows", c.rates[Narrow], 40e6/(4-10*c.chunk))
	about(t, "TOASTed rows without a wire", c.rates[Toast], c.rates[Narrow])
	// A small table; then what is known of it by and by.
	table := &chunker.Table{OID: 7, Schema: "public", Name: "t"}
	about(t, "packing of its kind", c.packing(r, table), 0.1)
	r.Source.Packing = []Packing{{Table: table.String(), Levels: []LevelRate{{Ratio: 1}, {Ratio: 4}}}}
	about(t, "packing at the source end", c.packing(r, table), 0.25)
	st := &scratchTable{Table: table}
	c.tables = map[uint32]*scratchTable{7: st}
	st.weigh(1000, 500) // of a chunk that was cut off
	about(t, "packing of its sample", c.packing(r, table), 0.5)
}

// TestWireAlone: where the wire held up everything, the rest is what the source's own speed says.
func TestWireAlone(t *testing.T) {
	t.Parallel()
	c, _ := weighedTrial(KindPath{Kind: Toast, Chunks: 10, Bytes: 10e6, Packed: 10e6, Rate: 1e6})
	about(t, "the rest", c.rates[Toast], explained*8e6)
	about(t, "small tables", c.rates[Small], c.rates[Toast])
	about(t, "the wire", c.p.Work.Path.Wire, 1e6)
}

// TestNoWire: in one process there is none, whatever frames hold.
func TestNoWire(t *testing.T) {
	t.Parallel()
	c, r := weighedTrial()
	c.s.remote, r.Network = nil, nil
	c.p.Kinds = []KindPath{{Kind: Wide, Chunks: 1, Bytes: 1e6, Rate: 1e6}}
	c.p.Work.Path.Wire = 0
	c.weigh(r)
	if c.p.Work.Path.Wire != 0 || c.packing(r, &chunker.Table{}) != 0 {
		t.Errorf("a wire: %+v", c.p.Work.Path)
	}
	about(t, "rows", c.rates[Wide], 1e6)
}

func TestPlanCost(t *testing.T) {
	t.Parallel()
	about(t, "a plan", planCost("HashAggregate  (cost=1155.00..1155.97 rows=97 width=12)"), 1155.97)
	if c := planCost("Seq Scan"); c != 0 {
		t.Errorf("no cost: %v", c)
	}
}
