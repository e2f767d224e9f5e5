package sign

import (
	"errors"
	"fmt"
	"io"

	"aead.dev/minisign"
)

// Why a file is not what was signed. They complete a sentence that begins with the file.
var (
	errChanged  = errors.New("is not what was signed: it or its signature was changed")
	errNoFormat = errors.New("has a signature that is damaged, or not of minisign's format")
	errLegacy   = errors.New("has a signature of minisign's old kind, which replicator never makes")
)

// Signature is one in minisign's format, read and not yet verified.
type Signature struct {
	text []byte
	s    minisign.Signature
}

// ParseSignature reads what FILE.minisig holds.
func ParseSignature(text []byte) (Signature, error) {
	sig := Signature{text: text}
	if err := sig.s.UnmarshalText(text); err != nil {
		return sig, errNoFormat // the library's error repeats nothing that helps
	}
	if sig.s.Algorithm != minisign.HashEdDSA {
		return sig, errLegacy
	}
	return sig, nil
}

// KeyID names the key that the signature claims.
func (sig Signature) KeyID() string { return keyID(sig.s.KeyID) }

// Verify reads message to its end and returns the signed statement, if message and statement are what
// the holder of the key signed. Only an error of reading message is one of message.
func (sig Signature) Verify(message io.Reader, key Public) (Statement, error) {
	if sig.KeyID() != key.ID() {
		return Statement{}, fmt.Errorf("is signed with key %s, not with key %s", sig.KeyID(), key.ID())
	}
	r := minisign.NewReader(message)
	if _, err := io.Copy(io.Discard, r); err != nil {
		return Statement{}, &ReadError{err}
	}
	if !r.Verify(key.public, sig.text) {
		return Statement{}, errChanged
	}
	return parseStatement(sig.s.TrustedComment)
}

// ReadError says that a file could not be read to its end: whether it is what was signed is not known.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return e.Err.Error() }

func (e *ReadError) Unwrap() error { return e.Err }
