package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"replicator/replicator/catchup"
	"replicator/replicator/sign"
)

// publicKeyNames are the files that may hold a key beside reports: the first is what minisign's
// manual would look for, the second keeps keys apart where several jobs share a --report-dir.
func publicKeyNames(id string) []string {
	return []string{"replicator.pub", "replicator-" + id + ".pub"}
}

// keepPublicKey writes the key beside the reports. A file with another key is never replaced: what it
// has signed must be found signed by it.
func keepPublicKey(dir, text string) (string, error) {
	key, err := sign.ParsePublic([]byte(text))
	if err != nil {
		return "", err
	}
	for _, name := range publicKeyNames(key.ID()) {
		name = filepath.Join(dir, name)
		there, err := readPublicKey(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return name, writeFile(name, key.File())
		case err == nil && there.Equal(key):
			return name, nil
		}
	}
	return "", fmt.Errorf("the files %q in %s hold something else than the key of this report", publicKeyNames(key.ID()), dir)
}

// largestKey is more than a public key or a signature is long.
const largestKey = 64 << 10

func readPublicKey(name string) (sign.Public, error) {
	text, err := readSmall(name)
	if err != nil {
		return sign.Public{}, err
	}
	key, err := sign.ParsePublic(text)
	if err != nil {
		return key, fmt.Errorf("%s holds no public key of minisign", name)
	}
	return key, nil
}

// readSmall reads a file that is a few lines long.
func readSmall(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > largestKey {
		return nil, fmt.Errorf("%s is neither a public key nor a signature", name)
	}
	return os.ReadFile(name)
}

// operator is who runs this command.
func (a *app) operator() catchup.Operator {
	o := catchup.Operator{User: "uid " + strconv.Itoa(os.Getuid()), Sudo: a.getenv("SUDO_USER")}
	if u, err := user.Current(); err == nil {
		o.User = u.Username
	}
	if o.Sudo == o.User {
		o.Sudo = ""
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	o.Host = host
	return o
}
