package verify

import (
	"errors"
	"slices"
)

// Options say what is compared and what becomes of differences.
type Options struct {
	Tables   []string `json:"tables,omitempty"` // patterns as pg_dump has them; none is all
	Sample   float64  `json:"sample,omitempty"` // percent of the rows of each table, 0 is all
	ShowKeys bool     `json:"show_keys,omitempty"`
	Repair   bool     `json:"repair,omitempty"`
}

// Validate refuses what makes no sense.
func (o *Options) Validate() error {
	switch {
	case o.Sample < 0 || o.Sample > 100:
		return errors.New("--sample takes a percentage from 0 to 100")
	case o.Repair && o.Sample > 0:
		return errors.New("--repair looks at all rows: leave --sample out")
	}
	return nil
}

func (o *Options) same(p Options) bool {
	return slices.Equal(o.Tables, p.Tables) && o.Sample == p.Sample && o.Repair == p.Repair && o.ShowKeys == p.ShowKeys
}

// named bounds the rows that are named of a table, and with it the memory of naming them.
const named = 10_000
