package checksum

import (
	"bytes"
	"cmp"
	"slices"
)

// Rows is a list of rows: what is left of a table when it is narrowed to where it differs. 48 bytes a row.
type Rows struct {
	secret secretID
	list   []RowHash
}

// NewRows is a list of none, for rows that are hashed with s.
func NewRows(s Secret) *Rows { return &Rows{secret: s.id()} }

// Add puts rows in.
func (r *Rows) Add(rows ...RowHash) { r.list = append(r.list, rows...) }

// Merge puts the rows of o in.
func (r *Rows) Merge(o *Rows) error {
	if r.secret != o.secret {
		return ErrUnlike
	}
	r.list = append(r.list, o.list...)
	return nil
}

// Len is how many there are.
func (r *Rows) Len() int { return len(r.list) }

func (r *Rows) sort() {
	slices.SortFunc(r.list, func(a, b RowHash) int { return a.compare(&b) })
}

func (h *RowHash) compare(o *RowHash) int {
	return cmp.Or(bytes.Compare(h.Key[:], o.Key[:]), bytes.Compare(h.Row[:], o.Row[:]))
}

// Kind is how a row differs.
type Kind string

// The kinds of difference.
const (
	OnlySource Kind = "only on source"
	OnlyTarget Kind = "only on target"
	Changed    Kind = "different"
)

// Difference is what the two sides have of one key and the other has not: as a rule one row on one
// side or both; more where rows without a key stand several times in a table.
type Difference struct {
	Key    KeyHash `json:"key"`
	Source int     `json:"source,omitempty"` // rows that the target has not
	Target int     `json:"target,omitempty"` // rows that the source has not
}

// Kind says how the row differs.
func (d Difference) Kind() Kind {
	switch {
	case d.Target == 0:
		return OnlySource
	case d.Source == 0:
		return OnlyTarget
	}
	return Changed
}

// Compare names the rows in which two lists, of the same selection, differ as multisets, in the
// order of their hashes. It sorts both.
func Compare(source, target *Rows) ([]Difference, error) {
	if source.secret != target.secret {
		return nil, ErrUnlike
	}
	source.sort()
	target.sort()
	var found []Difference
	at := func(k KeyHash) *Difference {
		if n := len(found); n == 0 || found[n-1].Key != k {
			found = append(found, Difference{Key: k})
		}
		return &found[len(found)-1]
	}
	s, t := source.list, target.list
	for len(s) > 0 || len(t) > 0 {
		switch c := order(s, t); {
		case c < 0:
			at(s[0].Key).Source++
			s = s[1:]
		case c > 0:
			at(t[0].Key).Target++
			t = t[1:]
		default:
			s, t = s[1:], t[1:]
		}
	}
	return found, nil
}

// order says which list has the lesser row next; an empty one has none.
func order(s, t []RowHash) int {
	switch {
	case len(s) == 0:
		return 1
	case len(t) == 0:
		return -1
	}
	return s[0].compare(&t[0])
}
