package largeobject

// Difference is what makes a range of the target equal to the source's.
type Difference struct {
	Write  []Object // as on the source; missing on the target, or of other content
	Alter  []Object // as on the source; of other owner, rights or comment
	Remove []uint32
}

// IsZero reports whether the two sides are equal.
func (d *Difference) IsZero() bool { return len(d.Write)+len(d.Alter)+len(d.Remove) == 0 }

// Compare compares a range of both sides: either both with digests or both as they were at a proof.
// A list without digests will do where the target has no objects.
func Compare(src, tgt *Answer) Difference {
	var d Difference
	t := tgt.Objects
	for _, s := range src.Objects {
		for len(t) > 0 && t[0].OID < s.OID {
			d.Remove, t = append(d.Remove, t[0].OID), t[1:]
		}
		switch {
		case len(t) == 0 || t[0].OID != s.OID:
			d.Write = append(d.Write, s)
			continue
		case t[0].Size != s.Size || t[0].Digest != s.Digest:
			d.Write = append(d.Write, s)
		case t[0].Owner != s.Owner || t[0].Comment != s.Comment || !granted(&t[0], &s):
			d.Alter = append(d.Alter, s)
		}
		t = t[1:]
	}
	for i := range t {
		d.Remove = append(d.Remove, t[i].OID)
	}
	return d
}

// Bounds of a batch: one transaction takes a lock an object, of some thousands that a server has by
// default for all of its transactions; and what is lost with a transaction is copied again. An object
// that is larger is a batch of its own.
const (
	batchObjects = 250
	batchBytes   = 32 << 20
)

// Batches are the transactions that it takes.
func (d *Difference) Batches() []Batch {
	var out []Batch
	var b Batch
	n, bytes := 0, int64(0)
	room := func(more int64) {
		if n > 0 && (n == batchObjects || bytes+more > batchBytes) {
			out = append(out, b)
			b, n, bytes = Batch{}, 0, 0
		}
		n, bytes = n+1, bytes+more
	}
	for _, oid := range d.Remove {
		room(0)
		b.Remove = append(b.Remove, oid)
	}
	for _, o := range d.Alter {
		room(0)
		b.Alter = append(b.Alter, o)
	}
	for _, o := range d.Write {
		room(o.Size)
		b.Write = append(b.Write, o)
	}
	if n > 0 {
		out = append(out, b)
	}
	return out
}
