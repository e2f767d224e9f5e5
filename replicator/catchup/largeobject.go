package catchup

import "fmt"

// LargeObjects is how the large objects of both sides were made equal.
type LargeObjects struct {
	Objects int64 `json:"objects"` // on the source
	Bytes   int64 `json:"bytes"`
	// What differed after the last round, and was written whole, altered, or removed on the target; in a
	// rehearsal what is to be.
	Written   int64 `json:"written"`
	Altered   int64 `json:"altered"` // owner, rights, comment
	Removed   int64 `json:"removed"`
	Ranges    int   `json:"ranges"`    // of OIDs, compared
	Unchanged int   `json:"unchanged"` // of these: neither side had changed since their content was found equal
	Equal     bool  `json:"equal"`
}

func (o *LargeObjects) String() string {
	if o == nil {
		return "not moved by this job"
	}
	s := fmt.Sprintf("%d objects, %d MiB", o.Objects, o.Bytes>>20)
	if n := o.Written + o.Altered + o.Removed; n > 0 {
		s += fmt.Sprintf("; %d differed after the last round", n)
	}
	if o.Equal {
		s += fmt.Sprintf("; equal, %d of %d ranges unchanged since their content was compared", o.Unchanged, o.Ranges)
	}
	return s
}
