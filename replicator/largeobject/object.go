package largeobject

import (
	"slices"
	"strconv"
	"strings"
)

// Object is a large object as a list shows it.
type Object struct {
	OID     uint32  `json:"oid"`
	Owner   string  `json:"owner"`
	Grants  []Grant `json:"grants,omitempty"` // nil: everything to the owner, and nothing to others
	Comment string  `json:"comment,omitempty"`
	Size    int64   `json:"size"`
	Digest  string  `json:"digest,omitempty"` // of the content; "": not read
}

// Grant is a right on an object.
type Grant struct {
	To     string `json:"to"` // role; "" is PUBLIC
	Right  string `json:"right"`
	Option bool   `json:"option,omitempty"` // may grant it on
}

// rights are those that there are on large objects.
var rights = []string{"SELECT", "UPDATE"}

// ownersOnly is what nil means.
func ownersOnly(owner string) []Grant {
	return []Grant{{To: owner, Right: rights[0]}, {To: owner, Right: rights[1]}}
}

// normal is grants as they are compared: an ACL that says what its absence says is none. What an owner
// may grant on is no more than an owner may.
func normal(owner string, grants []Grant) []Grant {
	out := slices.Clone(grants)
	for i := range out {
		out[i].Option = out[i].Option && out[i].To != owner
	}
	slices.SortFunc(out, func(a, b Grant) int {
		return strings.Compare(a.To+"\x00"+a.Right, b.To+"\x00"+b.Right)
	})
	out = merged(out)
	if slices.Equal(out, ownersOnly(owner)) {
		return nil
	}
	return out
}

// merged is sorted grants without doubles: two may grant the same right to one.
func merged(sorted []Grant) []Grant {
	out := sorted[:0]
	for _, g := range sorted {
		if n := len(out); n > 0 && out[n-1].To == g.To && out[n-1].Right == g.Right {
			out[n-1].Option = out[n-1].Option || g.Option
			continue
		}
		out = append(out, g)
	}
	return out
}

// granted reports whether the two say the same. An empty list is not nil: not even the owner may.
func granted(a, b *Object) bool {
	return (a.Grants == nil) == (b.Grants == nil) && slices.Equal(a.Grants, b.Grants)
}

// Batch is what is done on the target in one transaction.
type Batch struct {
	Write  []Object `json:"write,omitempty"` // whole, in this order: their pages follow
	Alter  []Object `json:"alter,omitempty"` // owner, rights or comment
	Remove []uint32 `json:"remove,omitempty"`
}

// First is an object of the batch: no two batches that are under way have the same.
func (b *Batch) First() uint32 {
	switch {
	case len(b.Write) > 0:
		return b.Write[0].OID
	case len(b.Alter) > 0:
		return b.Alter[0].OID
	case len(b.Remove) > 0:
		return b.Remove[0]
	}
	return 0
}

// OIDs are those of objects.
func OIDs(objects []Object) []uint32 {
	list := make([]uint32, len(objects))
	for i := range objects {
		list[i] = objects[i].OID
	}
	return list
}

// array is oid[] as text.
func array(oids []uint32) string {
	b := []byte{'{'}
	for i, o := range oids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(o), 10)
	}
	return string(append(b, '}'))
}
