package sign

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"replicator/replicator/fault"
	"replicator/replicator/keyfile"
)

const howToMake = "make one with: minisign -G -W -p KEY.pub -s KEY, or: openssl genpkey -algorithm ed25519 -out KEY; chmod 0600 KEY"

// largest is more than any key file is long.
const largest = 64 << 10

// Load reads a site's key: minisign's secret key without password, or an Ed25519 key in PKCS #8 PEM.
// Errors are of code fault.Usage and tell nothing of the contents.
func Load(path string) (Key, error) {
	text, err := read(path)
	if err != nil {
		return Key{}, err
	}
	k, err := parse(text)
	if err != nil {
		return Key{}, refuse(howToMake, "report key %s %v", path, err)
	}
	return k, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refuse(howToMake, "report key %s is not there", path)
	}
	if err != nil {
		return nil, refuse("the user that runs this command must be able to read it", "report key %s cannot be read: %v", path, keyfile.Reason(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil && keyfile.Exposed(info) {
		return nil, refuse("chmod 0600 FILE; if others had access to this machine make a new one", "report key %s can be read by others than its owner", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, largest))
	if err != nil {
		return nil, refuse(howToMake, "report key %s cannot be read: %v", path, keyfile.Reason(err))
	}
	return text, nil
}

// parse reads a key in one of both formats. Its errors complete a sentence that begins with the file.
func parse(text []byte) (Key, error) {
	if block, _ := pem.Decode(text); block != nil {
		return parsePEM(block)
	}
	var k Key
	switch err := k.UnmarshalText(bytes.TrimSpace(text)); {
	case errors.Is(err, errDamaged):
		return k, errors.New("is damaged")
	case err != nil && strings.Contains(err.Error(), "encrypted"):
		return k, errors.New("has a password, and replicator asks no questions: it must be one without")
	case err != nil:
		return k, errors.New("is neither minisign's secret key nor an Ed25519 key in PEM")
	}
	return k, nil
}

func parsePEM(block *pem.Block) (Key, error) {
	switch block.Type {
	case "PRIVATE KEY":
	case "ENCRYPTED PRIVATE KEY":
		return Key{}, errors.New("has a password, and replicator asks no questions: it must be one without")
	default:
		return Key{}, errors.New("is no private key in PKCS #8")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, errors.New("is damaged")
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return Key{}, errors.New("is of another kind than Ed25519")
	}
	return fromEd25519(private)
}

func refuse(hint, format string, args ...any) error {
	return fault.New(fault.Usage, fmt.Errorf(format, args...), hint)
}
