package atrest

import (
	"fmt"
	"io"

	"github.com/zeebo/blake3"
)

// Size is that of a key in bytes.
const Size = 32

// Key is the secret of a key file. Its methods may be called from any goroutine. No verb of fmt
// shows it.
type Key struct{ secret [Size]byte }

// New is the key with this secret.
func New(secret [Size]byte) *Key { return &Key{secret} }

// Sum is a digest of material that only who has the key can compute: it proves the key, and that
// material is what it was. What is summed for one purpose proves nothing for another.
func (k *Key) Sum(purpose string, material []byte) (sum [Size]byte) {
	// BLAKE3 is not open to length extension, so secret and material need nothing between them.
	h := blake3.NewDeriveKey("replicator at rest v1, " + purpose)
	_, _ = h.Write(k.secret[:])
	_, _ = h.Write(material)
	h.Sum(sum[:0])
	return sum
}

// Format implements fmt.Formatter.
func (k *Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[key]") }
