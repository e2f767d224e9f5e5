package pki

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"replicator/replicator/fault"
	"replicator/replicator/keyfile"
)

// writePair writes a certificate and its key to new files in dir, both or none.
func writePair(dir, certName string, cert []byte, keyName string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key: %w", err)
	}
	if err := absent(dir, certName, keyName); err != nil {
		return err
	}
	if err := writeNew(filepath.Join(dir, keyName), 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})); err != nil {
		return err
	}
	err = writeNew(filepath.Join(dir, certName), 0o644, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	if err != nil {
		return errors.Join(err, os.Remove(filepath.Join(dir, keyName)))
	}
	return syncDir(dir)
}

// makeDir makes a directory for keys, where it is not there.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.New(fault.Usage, fmt.Errorf("make directory %s: %w", dir, keyfile.Reason(err)), "")
	}
	return nil
}

// absent refuses to go on where one of the files is there already.
func absent(dir string, names ...string) error {
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return taken(filepath.Join(dir, name))
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.Usage, fmt.Errorf("look for %s: %w", filepath.Join(dir, name), keyfile.Reason(err)), "")
		}
	}
	return nil
}

func taken(path string) error {
	return fault.New(fault.Usage, fmt.Errorf("%s is there already, and is not overwritten", path), "choose another directory, or move the old files away")
}

// writeNew writes a file that is not there yet, and syncs it.
func writeNew(path string, mode fs.FileMode, b []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return taken(path)
	}
	if err != nil {
		return fault.New(fault.Usage, fmt.Errorf("write %s: %w", path, keyfile.Reason(err)), "the directory must be there and be ours to write to")
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(path))
		}
	}()
	if _, err = f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}

// copyNew copies a file into dir, unless the same is there.
func copyNew(from, dir string) (string, error) {
	b, err := os.ReadFile(from)
	if err != nil {
		return "", fmt.Errorf("copy the CA's certificate: %w", err)
	}
	to := filepath.Join(dir, filepath.Base(from))
	if old, err := os.ReadFile(to); err == nil && bytes.Equal(old, b) {
		return to, nil
	}
	return to, writeNew(to, 0o644, b)
}
