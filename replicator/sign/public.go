package sign

import (
	"fmt"

	"aead.dev/minisign"
)

// Public verifies what its [Key] signed.
type Public struct{ public minisign.PublicKey }

// ParsePublic reads a public key: the base64 of minisign -P, or the file with its comment.
func ParsePublic(text []byte) (Public, error) {
	var p Public
	err := p.public.UnmarshalText(text)
	return p, err
}

// String is the key as minisign -P takes it.
func (p Public) String() string { return p.public.String() }

// ID names the key, as minisign prints it.
func (p Public) ID() string { return keyID(p.public.ID()) }

// Equal reports whether both are one key.
func (p Public) Equal(q Public) bool { return p.public.Equal(q.public) }

// File is what minisign -p takes.
func (p Public) File() []byte {
	return fmt.Appendf(nil, "untrusted comment: public key of replicator reports %s\n%s\n", p.ID(), p)
}

func keyID(id uint64) string { return fmt.Sprintf("%016X", id) }
