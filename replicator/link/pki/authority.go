package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"replicator/replicator/fault"
)

// An Authority is a private CA: the files ca.crt and ca.key in a directory. Keys are ECDSA P-256,
// which every TLS 1.3 stack takes, and certificates of our own and of other PKIs go together.
// Errors of everything that makes files are of code fault.Usage; no file is ever overwritten.
type Authority struct {
	Name      string // in its certificate
	Cert, Key string // its files
	NotAfter  time.Time

	cert *x509.Certificate
	key  crypto.Signer
}

const (
	caCert, caKey = "ca.crt", "ca.key"

	// CADays and CertificateDays are how long the two hold where nobody says.
	CADays          = 3650
	CertificateDays = 365
	mostDays        = 36500
)

// longestName is what X.509 takes for a common name.
const longestName = 64

// early is how long before now what is made begins to hold: clocks of two sites differ.
const early = time.Hour

// Create makes a CA in dir, which it makes too. name is in its certificate for people; "" makes one
// up that no other CA has. days 0 is CADays.
func Create(dir, name string, days int) (*Authority, error) {
	from, until, err := period(days, CADays)
	if err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	if len(name) > longestName || plain(errors.New(name)) != name {
		return nil, fault.New(fault.Usage, fmt.Errorf("--name takes up to %d letters, digits and signs", longestName), "")
	}
	if name == "" {
		name = fmt.Sprintf("replicator CA %x", fingerprint(key))
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true, // it signs certificates, and no other CA
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := makeDir(dir); err != nil {
		return nil, err
	}
	if err := writePair(dir, caCert, cert.Raw, caKey, key); err != nil {
		return nil, err
	}
	return newAuthority(dir, cert, key), nil
}

// fingerprint is a few bytes that tell CAs apart.
func fingerprint(key *ecdsa.PrivateKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(der)
	return sum[:3]
}

// OpenAuthority opens the CA in dir.
func OpenAuthority(dir string) (*Authority, error) {
	a, err := openAuthority(dir)
	if err != nil {
		hint := fault.HintOf(err)
		if hint == makeIt {
			hint = "make the CA first: replicator keys init --dir DIR"
		}
		return nil, fault.New(fault.Usage, err, hint)
	}
	return a, nil
}

func openAuthority(dir string) (*Authority, error) {
	certs, err := readCertificates("CA", filepath.Join(dir, caCert))
	if err != nil {
		return nil, err
	}
	key, err := readKey(filepath.Join(dir, caKey))
	if err != nil {
		return nil, err
	}
	cert := certs[0]
	if !pair(cert, key) {
		return nil, refuse("the two are made together: look for a mix-up", "%s and %s in this directory do not belong together", caCert, caKey)
	}
	if err := checkTime("the CA", cert, time.Now()); err != nil {
		return nil, err
	}
	return newAuthority(dir, cert, key), nil
}

func newAuthority(dir string, cert *x509.Certificate, key crypto.Signer) *Authority {
	return &Authority{
		Name: cert.Subject.CommonName, Cert: filepath.Join(dir, caCert), Key: filepath.Join(dir, caKey),
		NotAfter: cert.NotAfter, cert: cert, key: key,
	}
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

// period is from now on for so many days.
func period(days, preset int) (from, until time.Time, err error) {
	if days == 0 {
		days = preset
	}
	if days < 1 || days > mostDays {
		return from, until, fault.New(fault.Usage, fmt.Errorf("--days takes a number from 1 to %d", mostDays), "")
	}
	now := time.Now()
	return now.Add(-early), now.AddDate(0, 0, days), nil
}

// sign makes a certificate. Its serial number is random: crypto/x509 draws one where there is none.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, by crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		return nil, fmt.Errorf("sign the certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
