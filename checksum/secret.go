package checksum

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"

	"github.com/zeebo/blake3"
)

// Secret keys the hashes of rows and of their keys. The zero Secret is none: plain BLAKE3, which
// anybody can compute. No verb of fmt shows it, nor does slog.
type Secret [32]byte

// NewSecret is a random one.
func NewSecret() (s Secret) {
	_, _ = rand.Read(s[:]) // never fails
	return s
}

// Format implements fmt.Formatter.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue("[key]") }

// secretID tells secrets apart and says nothing else of them; zero is that of none.
type secretID [8]byte

func (s Secret) id() (id secretID) {
	if s != (Secret{}) {
		blake3.DeriveKey("replicator fingerprint v1, identity of the secret", s[:], id[:])
	}
	return id
}

func (s Secret) hasher() *blake3.Hasher {
	if s == (Secret{}) {
		return blake3.New()
	}
	h, err := blake3.NewKeyed(s[:])
	if err != nil {
		panic(err) // cannot be: the size is right
	}
	return h
}
