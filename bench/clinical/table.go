package clinical

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
)

// table says how one table's rows are made.
type table struct {
	name    string // as SQL wants it
	columns string // those that COPY fills
	rows    func(s size) int
	fill    func(r *row, i int) // writes row i, from 0, without its end
}

// tables are all that are filled, the largest first so that it is not the last to finish.
func tables() []table {
	all := recordBulk()
	all = append(all, recordBase()...)
	all = append(all, emergency()...)
	return append(all, outpatient()...)
}

// reader makes a table's rows as it is read: nothing is held but what one Read asks for.
type reader struct {
	t    table
	row  row
	next int
	rows int
	off  int // of what is not yet read in row.buf
}

func (t table) reader(opts Options) *reader {
	h := fnv.New64a()
	h.Write([]byte(t.name)) // never fails
	rng := rand.New(rand.NewPCG(opts.Seed, h.Sum64()))
	size := sizeAt(opts.Scale)
	return &reader{t: t, rows: t.rows(size), row: row{
		rng: rng, words: NewProse(rng), size: size, seed: opts.Seed, canary: opts.Canary,
	}}
}

// bufferBytes is about what is made at a time; documents make single rows of some 100 KB.
const bufferBytes = 64 << 10

func (r *reader) Read(p []byte) (int, error) {
	if r.off == len(r.row.buf) {
		r.row.buf, r.row.start, r.off = r.row.buf[:0], 0, 0
		for ; r.next < r.rows && len(r.row.buf) < bufferBytes; r.next++ {
			r.t.fill(&r.row, r.next)
			r.row.end()
		}
		if len(r.row.buf) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, r.row.buf[r.off:])
	r.off += n
	return n, nil
}
