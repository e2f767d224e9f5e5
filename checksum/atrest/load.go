package atrest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"replicator/replicator/fault"
	"replicator/replicator/keyfile"
)

const howToMake = "make one with: openssl rand -hex 32 > FILE; chmod 0600 FILE"

// Load reads a key file: 32 random bytes, as 64 hex digits, as base64, or as they are. It must not
// lie in dir, the state directory, whose disk it is to protect. Errors are of code fault.Usage and
// tell nothing of the contents.
func Load(path, dir string) (*Key, error) {
	secret, err := load(path, dir)
	if err != nil {
		return nil, err
	}
	return New(secret), nil
}

func load(path, dir string) ([Size]byte, error) {
	var none [Size]byte
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, refuse(howToMake, "key file %s is not there", path)
	}
	if err != nil {
		return none, refuse("the user that runs replicator must be able to read it", "key file %s cannot be read: %v", path, keyfile.Reason(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return none, refuse("", "key file %s cannot be read: %v", path, keyfile.Reason(err))
	case info.IsDir():
		return none, refuse(howToMake, "key file %s is a directory", path)
	case keyfile.Exposed(info):
		return none, refuse("chmod 0600 FILE; if others had access to this machine make a new one: openssl rand -hex 32 > FILE",
			"key file %s can be read by others than its owner", path)
	case within(path, dir):
		return none, refuse("keep it where no backup of the state directory takes it along", "key file %s lies in the state directory", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err != nil {
		return none, refuse("", "key file %s cannot be read: %v", path, keyfile.Reason(err))
	}
	secret, err := parse(b)
	if err != nil {
		return none, refuse(howToMake, "key file %s %v", path, err)
	}
	return secret, nil
}

func refuse(hint, format string, args ...any) error {
	return fault.New(fault.Usage, fmt.Errorf(format, args...), hint)
}

// within reports whether path lies in dir, links followed. What cannot be told is not.
func within(path, dir string) bool {
	path, err := resolve(path)
	if err != nil {
		return false
	}
	if dir, err = resolve(dir); err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// fewest is how many different bytes a key must have. Of 32 random ones fewer than 16 are different
// once in 10^16 keys; of a file of zeros, or of a word again and again, always.
const fewest = 16

// parse reads the secret. Its errors complete a sentence that begins with the file.
func parse(b []byte) (secret [Size]byte, err error) {
	text := string(bytes.TrimSpace(b))
	var got []byte
	switch {
	case len(text) == 0:
		return secret, errors.New("is empty")
	case len(b) == Size && printable(b):
		return secret, errors.New("holds a word of 32 characters, which is no random key")
	case len(b) == Size:
		got = b
	case len(text) == hex.EncodedLen(Size):
		got, err = hex.DecodeString(text)
	default:
		got, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	}
	if err != nil || len(got) != Size {
		return secret, errors.New("holds no key: it must be 32 random bytes as 64 hex digits, as base64, or as they are")
	}
	copy(secret[:], got)
	seen := map[byte]bool{}
	for _, c := range secret {
		seen[c] = true
	}
	if len(seen) < fewest {
		return secret, errors.New("holds a key that is not random")
	}
	return secret, nil
}

// printable says that bytes are text: so are 32 random ones once in 10^13 keys.
func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
