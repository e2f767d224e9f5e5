package sign

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"aead.dev/minisign"
)

// Key signs. No verb of fmt shows it.
type Key struct{ private minisign.PrivateKey }

// Generate makes a new key.
func Generate() (Key, error) {
	_, private, err := minisign.GenerateKey(nil)
	if err != nil {
		return Key{}, fmt.Errorf("make a key for reports: %w", err)
	}
	return Key{private}, nil
}

// fromEd25519 is a key that was made for something else than minisign. Its ID is the first bytes of
// its public key's digest, as with [Generate].
func fromEd25519(private ed25519.PrivateKey) (Key, error) {
	// minisign.GenerateKey is ed25519.GenerateKey, which is a function of the seed that it reads.
	_, key, err := minisign.GenerateKey(bytes.NewReader(private.Seed()))
	return Key{key}, err
}

// MarshalText is the key as minisign keeps one without a password.
func (k Key) MarshalText() ([]byte, error) { return k.private.MarshalText() }

// errDamaged says that the two halves of a key do not belong together.
var errDamaged = errors.New("the key is damaged: what it signs does not fit its public key")

// UnmarshalText reads what [Key.MarshalText] gave. A damaged key is refused here, not found out by
// whoever verifies a report.
func (k *Key) UnmarshalText(text []byte) error {
	if err := k.private.UnmarshalText(text); err != nil {
		return err
	}
	if signature := minisign.Sign(k.private, nil); !minisign.Verify(k.Public().public, nil, signature) {
		return errDamaged
	}
	return nil
}

// Public is the key that verifies what k signed.
func (k Key) Public() Public {
	public, _ := k.private.Public().(minisign.PublicKey)
	return Public{public}
}

// Sign signs a file's contents and a statement on them. The result is what FILE.minisig holds.
func (k Key) Sign(message io.Reader, s Statement) ([]byte, error) {
	r := minisign.NewReader(message)
	if _, err := io.Copy(io.Discard, r); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return r.SignWithComments(k.private, s.String(), "signature of a replicator report, key "+k.Public().ID()), nil
}

// Format implements fmt.Formatter.
func (k Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[key]") }
