package checksum

import (
	"iter"
	"math"
	"math/bits"
)

// BucketCount is how many buckets a Fingerprint has.
const BucketCount = 1 << bucketBits

// Buckets is a set of bucket numbers.
type Buckets [BucketCount / 64]uint64

// Add puts a number in.
func (b *Buckets) Add(i int) { b[i/64] |= 1 << (i % 64) }

// Has reports whether a number is in it.
func (b *Buckets) Has(i int) bool { return b[i/64]>>(i%64)&1 != 0 }

// Len is how many numbers are in it.
func (b *Buckets) Len() (n int) {
	for _, word := range b {
		n += bits.OnesCount64(word)
	}
	return n
}

// All goes through the numbers in order.
func (b *Buckets) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range BucketCount {
			if b.Has(i) && !yield(i) {
				return
			}
		}
	}
}

// Levels is how many Buckets a Selection may have: below that hashes have no more bits to tell
// rows apart by.
const Levels = 64 / bucketBits

// Selection is a set of rows, by their key hashes: those that are, on every level, in one of that
// level's buckets. The empty Selection is of all rows. The fingerprint of a selection has its buckets
// one level deeper.
type Selection []Buckets

// Holds reports whether a row is meant.
func (s Selection) Holds(k KeyHash) bool {
	for level := range s {
		if !s[level].Has(k.bucket(level)) {
			return false
		}
	}
	return true
}

// Within is those rows of s that are in b, buckets of a fingerprint of s.
func (s Selection) Within(b Buckets) Selection { return append(s[:len(s):len(s)], b) }

// Sample is a share of all rows, the same on both sides: percent of the buckets, at least one. The
// next turn takes the buckets that follow, so that 20 turns of 5 % have seen every row.
func Sample(percent float64, turn int) Selection {
	n := int(math.Ceil(percent / 100 * BucketCount))
	n = max(1, min(n, BucketCount))
	var b Buckets
	for i := range n {
		b.Add((turn*n + i) & (BucketCount - 1))
	}
	return Selection{b}
}
