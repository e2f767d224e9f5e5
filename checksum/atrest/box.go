package atrest

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

// A sealed message is a nonce, the encrypted bytes, and a tag.
const (
	nonceSize = 12
	// TagSize is the size of the tag. The tag is the last of a sealed message; it is different for
	// each, and says nothing to who has no key.
	TagSize = 16
	// Overhead is what a message grows by.
	Overhead = nonceSize + TagSize
)

// ErrAuth says that bytes are not what was sealed: they are damaged, from another place, or sealed
// with another key.
var ErrAuth = errors.New("it does not open with this key")

// Box seals messages with a key of its own. Its methods may be called from any goroutine.
type Box struct{ aead cipher.AEAD }

// Box is the box for a purpose and, within it, for what material identifies.
func (k *Key) Box(purpose string, material []byte) *Box {
	sub := k.Sum(purpose, material)
	// Neither can fail: the key has a size of AES, and the nonce is GCM's own.
	block, err := aes.NewCipher(sub[:])
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return &Box{aead}
}

// Seal appends plain, sealed, to dst. context is not kept but must be the same for Open. dst may end
// where plain begins; apart from that the three must not overlap.
func (b *Box) Seal(dst, plain, context []byte) []byte { return b.aead.Seal(dst, nil, plain, context) }

// Open appends what was sealed to dst, which may end where sealed begins. After an error, which is
// ErrAuth, what stood behind dst is destroyed.
func (b *Box) Open(dst, sealed, context []byte) ([]byte, error) {
	out, err := b.aead.Open(dst, nil, sealed, context)
	if err != nil {
		return nil, ErrAuth
	}
	return out, nil
}
