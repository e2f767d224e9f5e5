package column

// MaxBlock is the size of the largest block. Tables whose rows fill larger ones gain nothing.
const MaxBlock = 16 << 20

// version is the first byte of a block in column order.
const version = 1

// hasTrailer is the flag of a block that ends with the trailer of COPY.
const hasTrailer = 1

// widest is the longest value that is put in byte planes.
const widest = 64

// way is how a column is put.
type way uint8

// The ways, as doc.go describes them.
const (
	plain way = iota
	planes
	delta
	dictionary

	ways // how many there are
)

// indexBits is how many bits an index takes among n entries.
func indexBits(n int) int {
	switch {
	case n <= 1:
		return 0
	case n <= 2:
		return 1
	case n <= 4:
		return 2
	case n <= 16:
		return 4
	}
	return 8
}
