package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"replicator/replicator/keyfile"
)

const makeIt = "make it with replicator keys, or take it from your PKI"

// largest is more than any chain of certificates takes.
const largest = 1 << 20

// readFile reads a PEM file; what begins the sentence of an error.
func readFile(what, path string, secret bool) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refuse(makeIt, "%s %s is not there", what, path)
	}
	if err != nil {
		return nil, refuse("the user that runs replicator must be able to read it", "%s %s cannot be read: %v", what, path, keyfile.Reason(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err == nil && secret && keyfile.Exposed(info) {
		return nil, refuse("chmod 0600 FILE; if others had access to this machine issue a new one", "%s %s can be read by others than its owner", what, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, largest))
	if err != nil {
		return nil, refuse("give a file in PEM format", "%s %s cannot be read: %v", what, path, keyfile.Reason(err))
	}
	return b, nil
}

// readCertificates reads all certificates in a file, of which there must be one.
func readCertificates(what, path string) ([]*x509.Certificate, error) {
	b, err := readFile(what, path, false)
	if err != nil {
		return nil, err
	}
	var list []*x509.Certificate
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, refuse("is the file whole?", "%s %s holds a certificate that is damaged", what, path)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, refuse("give a file in PEM format, which begins with -----BEGIN CERTIFICATE-----", "%s %s holds no certificate", what, path)
	}
	return list, nil
}

// readKey reads the private key in a file that nobody but its owner may read.
func readKey(path string) (crypto.Signer, error) {
	b, err := readFile("key", path, true)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		switch {
		case !strings.HasSuffix(block.Type, "PRIVATE KEY"):
			continue
		case strings.HasPrefix(block.Type, "ENCRYPTED") || bytes.Contains([]byte(block.Headers["Proc-Type"]), []byte("ENCRYPTED")):
			return nil, refuse("nobody is there to type it: write it without, openssl pkey -in OLD -out NEW; chmod 0600 NEW", "key %s is locked with a passphrase", path)
		}
		if key, ok := parseKey(block.Bytes); ok {
			return key, nil
		}
		break
	}
	return nil, refuse("give a private key in PEM format: ECDSA, Ed25519 or RSA", "key %s holds no private key that can be used", path)
}

// parseKey knows the three ways in which tools write keys.
func parseKey(der []byte) (crypto.Signer, bool) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		switch key := key.(type) {
		case *ecdsa.PrivateKey:
			return key, true
		case ed25519.PrivateKey:
			return key, true
		case *rsa.PrivateKey:
			return key, true
		}
		return nil, false
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, true
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	return key, err == nil
}
