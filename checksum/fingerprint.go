package checksum

import "errors"

// Fingerprint is that of a multiset of rows, in buckets by their keys: what differs between two can
// be looked for in a few rows. It has the properties of Set. 192 KiB large.
type Fingerprint struct {
	secret  secretID
	level   int
	buckets [BucketCount]Set
}

// ErrUnlike says that fingerprints were made with different secrets or of different levels, so that
// comparing them tells nothing.
var ErrUnlike = errors.New("fingerprints are not comparable: another secret or another selection")

// NewFingerprint is that of no rows, for rows of a selection that are hashed with s.
func NewFingerprint(s Secret, of Selection) *Fingerprint {
	return &Fingerprint{secret: s.id(), level: len(of)}
}

// Add takes a row in, whose image has size bytes.
func (f *Fingerprint) Add(r RowHash, size int) { f.at(r).add(r.Row, size) }

// Remove takes a row out again.
func (f *Fingerprint) Remove(r RowHash, size int) { f.at(r).remove(r.Row, size) }

func (f *Fingerprint) at(r RowHash) *Set { return &f.buckets[r.Key.bucket(f.level)] }

// Merge takes all rows of o in.
func (f *Fingerprint) Merge(o *Fingerprint) error {
	if !f.like(o) {
		return ErrUnlike
	}
	for i := range f.buckets {
		f.buckets[i].Merge(o.buckets[i])
	}
	return nil
}

// Diff is the buckets that differ; none says that both are of the same rows.
func (f *Fingerprint) Diff(o *Fingerprint) (Buckets, error) {
	var b Buckets
	if !f.like(o) {
		return b, ErrUnlike
	}
	for i := range f.buckets {
		if f.buckets[i] != o.buckets[i] {
			b.Add(i)
		}
	}
	return b, nil
}

// Equal reports whether both are of the same rows, hashed with the same secret.
func (f *Fingerprint) Equal(o *Fingerprint) bool { return *f == *o }

func (f *Fingerprint) like(o *Fingerprint) bool { return f.secret == o.secret && f.level == o.level }

// Total is the Set of all rows.
func (f *Fingerprint) Total() (s Set) {
	for i := range f.buckets {
		s.Merge(f.buckets[i])
	}
	return s
}

// Rows is how many rows the buckets of b hold.
func (f *Fingerprint) Rows(b Buckets) (n int64) {
	for i := range b.All() {
		n += f.buckets[i].Rows
	}
	return n
}
