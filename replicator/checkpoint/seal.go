package checkpoint

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"replicator/checksum/atrest"
	"replicator/replicator/fault"
)

// The value of the format's key says, before anything else is read, how values lie here. Version 1 is
// that one byte: they are JSON. Version 2 is JSON encrypted (package atrest, the key of the value
// authenticated with it), and behind the byte stand
//
//	offset size
//	     1   32  salt: random, so that a key file that serves several stores has a key for each
//	    33   32  what only who has the key can make of the salt
const (
	formatClear  = 1
	formatSealed = 2
	saltSize     = 32
	sealedSize   = 1 + saltSize + atrest.Size
)

const (
	boxPurpose  = "store, values"
	markPurpose = "store, mark of the key"
)

// newFormat is the value of the format's key for a new store.
func newFormat(k *atrest.Key) []byte {
	if k == nil {
		return []byte{formatClear}
	}
	b := make([]byte, 1+saltSize, sealedSize)
	b[0] = formatSealed
	_, _ = rand.Read(b[1:]) // never fails
	mark := k.Sum(markPurpose, b[1:])
	return append(b, mark[:]...)
}

// boxOf is the box for values of a store of this format, nil for one in the clear. An error says that
// the key is not the store's, and is the operator's mistake.
func boxOf(format []byte, k *atrest.Key) (*atrest.Box, error) {
	switch {
	case len(format) == 1 && format[0] == formatClear:
		if k != nil {
			return nil, fault.New(fault.Usage, errors.New("the job in this --dir was begun without a key file"),
				"leave --key-file out; to seal what lies on this disk begin a new job in another --dir")
		}
		return nil, nil
	case len(format) == sealedSize && format[0] == formatSealed:
		salt := format[1 : 1+saltSize]
		if k == nil {
			return nil, fault.New(fault.Usage, errors.New("the state in this --dir is sealed with a key file"),
				"give --key-file, or REPLICATOR_KEY_FILE, as when the job was begun")
		}
		if mark := k.Sum(markPurpose, salt); !bytes.Equal(mark[:], format[1+saltSize:]) {
			return nil, fault.New(fault.Usage, errors.New("the state in this --dir is sealed with another key file"),
				"give the --key-file that the job was begun with")
		}
		return k.Box(boxPurpose, salt), nil
	case len(format) == 0:
		return nil, fault.New(fault.Store, errors.New("the store has an empty format"), "the store is damaged")
	}
	return nil, fault.New(fault.Store, fmt.Errorf("the store has format %d, this version knows %d and %d", format[0], formatClear, formatSealed),
		"go on with the version of replicator that began the job")
}

// readFormat learns how values lie, and that the key is the right one. A store that nothing was
// written to yet has no format: it gets one with its first write, so that a job that could not be
// begun does not hold anybody to the key it was tried with.
func (s *Store) readFormat(k *atrest.Key) error {
	format, closer, err := s.db.Get(key(kindFormat))
	if errors.Is(err, pebble.ErrNotFound) {
		s.unwritten = newFormat(k)
		s.box, err = boxOf(s.unwritten, k)
		return err
	}
	if err != nil {
		return openError(err)
	}
	defer closer.Close()
	s.box, err = boxOf(format, k)
	return err
}

// seal is a value as it lies in the store.
func (s *Store) seal(key, value []byte) []byte {
	if s.box == nil {
		return value
	}
	return s.box.Seal(nil, value, key)
}

// unseal is the value of a key again.
func (s *Store) unseal(key, value []byte) ([]byte, error) {
	if s.box == nil {
		return value, nil
	}
	value, err := s.box.Open(nil, value, key)
	if err != nil {
		return nil, readError(fmt.Errorf("value of kind %d: %w", key[0], err))
	}
	return value, nil
}
