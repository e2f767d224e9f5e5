package chunker

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"replicator/checksum"
	"replicator/replicator/pg"
)

// Located is where a row with a certain key hash stands, and what its key is.
type Located struct {
	Hash checksum.KeyHash
	CTID string   // on the side that was asked, under the scan's snapshot
	Key  []string // the values of Table.Key as text; nil where the table has no key. Row values: for --show-keys and SQL only
}

// CopiesLocated bounds how many rows of one hash are named: of a table without a key there may be
// any number of copies.
const CopiesLocated = 16

// Locate finds rows by their key hashes, up to 16 for each, in the order of the hashes. Those that
// this side has not are not among them.
func (s *Scan) Locate(ctx context.Context, hashes []checksum.KeyHash) ([]Located, error) {
	sp, err := spell(s.Table, s.Text)
	if err != nil {
		return nil, err
	}
	sp = sp.located()
	find := finding{left: make(map[checksum.KeyHash]*atomic.Int32, len(hashes))}
	for _, h := range hashes {
		find.left[h] = new(atomic.Int32)
		find.left[h].Store(CopiesLocated)
	}
	err = s.read(ctx, &sp, func() reader {
		return &locator{to: &find, table: s.Table, rowHasher: s.hasher(&sp, nil)}
	})
	slices.SortFunc(find.rows, func(a, b Located) int {
		return cmp.Or(bytes.Compare(a.Hash[:], b.Hash[:]), strings.Compare(a.CTID, b.CTID))
	})
	return find.rows, err
}

// finding is what the sessions look for together.
type finding struct {
	left map[checksum.KeyHash]*atomic.Int32 // how many are still wanted of each
	mu   sync.Mutex
	rows []Located
}

func (f *finding) take(h checksum.KeyHash) bool {
	n := f.left[h]
	return n != nil && n.Add(-1) >= 0
}

type locator struct {
	rowHasher
	to      *finding
	table   *Table
	scratch []byte
	found   []Located
}

// row looks at one row, whose place is its last column. The hash is that of the row without it.
func (r *locator) row(image []byte) error {
	columns := len(r.spelling.exprs) - 1
	fields, ok := checksum.KeyImage(image, columns, r.spelling.text)
	if !ok {
		return fmt.Errorf("%w: a row without its place", checksum.ErrCopyFormat)
	}
	var h checksum.KeyHash
	if r.spelling.key > 0 {
		h = r.Key(fields)
	} else {
		h = r.Keyless(r.without(fields, columns)).Key
	}
	if r.to.take(h) {
		r.found = append(r.found, Located{Hash: h, CTID: string(r.place(image, fields, columns))})
	}
	return nil
}

// without is the image of a row of so many columns that has these fields.
func (r *locator) without(fields []byte, columns int) []byte {
	if r.spelling.text {
		return fields
	}
	r.scratch = append(binary.BigEndian.AppendUint16(r.scratch[:0], uint16(columns)), fields...)
	return r.scratch
}

// place is the last column, behind so many others.
func (r *locator) place(image, fields []byte, columns int) []byte {
	const count, length = 2, 4
	switch {
	case !r.spelling.text:
		return image[count+len(fields)+length:]
	case columns == 0:
		return image
	}
	return image[len(fields)+len("\t"):]
}

// end reads the keys of the rows that were found.
func (r *locator) end(ctx context.Context, conn *pg.Conn) error {
	if len(r.table.Key) > 0 {
		if err := r.readKeys(ctx, conn); err != nil {
			return fmt.Errorf("read keys of %s: %w", r.table, err)
		}
	}
	r.to.mu.Lock()
	defer r.to.mu.Unlock()
	r.to.rows = append(r.to.rows, r.found...)
	return nil
}

func (r *locator) readKeys(ctx context.Context, conn *pg.Conn) error {
	exprs := make([]string, len(r.table.Key))
	for i, name := range r.table.Key {
		exprs[i] = output(pg.Ident(name))
	}
	sql := fmt.Sprintf("SELECT %s FROM ONLY %s WHERE ctid = $1::tid", strings.Join(exprs, ", "), r.table.Qualified())
	for i := range r.found {
		row, err := conn.Row(ctx, sql, r.found[i].CTID)
		if err != nil {
			return err
		}
		r.found[i].Key = row
	}
	return nil
}
