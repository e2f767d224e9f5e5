package pki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"replicator/replicator/fault"
)

// Files are an end's own: PEM files of its certificate (with what lies between it and the CA, if
// anything does), of its private key, and of the CAs that it trusts.
type Files struct{ Cert, Key, CA string }

// Load reads the files and checks that they are good for the role, as far as this end can tell.
// Errors are of code fault.Link.
func Load(f Files, want Role) (*Identity, error) { return load(f, want, time.Now()) }

func load(f Files, want Role, now time.Time) (*Identity, error) {
	if err := f.given(); err != nil {
		return nil, err
	}
	chain, err := readCertificates("certificate", f.Cert)
	if err != nil {
		return nil, err
	}
	key, err := readKey(f.Key)
	if err != nil {
		return nil, err
	}
	roots, err := readCertificates("CA file", f.CA)
	if err != nil {
		return nil, err
	}
	leaf, name := chain[0], "certificate "+f.Cert
	if !pair(leaf, key) {
		return nil, refuse("the two files are made together: look for a mix-up, or issue both anew", "key %s does not belong to certificate %s", f.Key, f.Cert)
	}
	if err := checkRole(name, leaf, want); err != nil {
		return nil, err
	}
	if err := checkTime(name, leaf, now); err != nil {
		return nil, err
	}
	id := newIdentity(chain, key, roots, want)
	if id.NotAfter, err = id.verify(f, now); err != nil {
		return nil, err
	}
	return id, nil
}

// pair reports whether key is the certificate's.
func pair(c *x509.Certificate, key crypto.Signer) bool {
	public, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(key.Public())
}

func (f Files) given() error {
	for _, file := range []struct{ path, what string }{{f.Cert, "certificate"}, {f.Key, "key of the certificate"}, {f.CA, "CA file"}} {
		if file.path == "" {
			return refuse("give --cert, --key and --ca, which replicator keys makes or your own PKI", "no %s is given", file.what)
		}
	}
	return nil
}

// newIdentity puts together what was read. It ends when the certificate itself does.
func newIdentity(chain []*x509.Certificate, key crypto.Signer, roots []*x509.Certificate, role Role) *Identity {
	id := &Identity{
		Role: role, Jobs: named(chain[0], jobURN), NotAfter: chain[0].NotAfter,
		cert: tls.Certificate{PrivateKey: key, Leaf: chain[0]}, roots: x509.NewCertPool(), between: x509.NewCertPool(),
	}
	for i, c := range chain {
		id.cert.Certificate = append(id.cert.Certificate, c.Raw)
		if i > 0 {
			id.between.AddCert(c)
		}
	}
	for _, c := range roots {
		id.roots.AddCert(c)
	}
	return id
}

// verify looks for a way from the certificate to the CA, and says when it ends.
func (id *Identity) verify(f Files, now time.Time) (time.Time, error) {
	chains, err := id.cert.Leaf.Verify(x509.VerifyOptions{
		Roots: id.roots, Intermediates: id.between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{id.Role.usage()},
	})
	if err == nil {
		return ends(chains), nil
	}
	if errors.As(err, new(x509.UnknownAuthorityError)) {
		return time.Time{}, refuse("give the ca.crt that it was issued with; the CA file may hold several CAs, one after the other",
			"certificate %s is not signed by a CA in %s", f.Cert, f.CA)
	}
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		return time.Time{}, checkTime("the CA of certificate "+f.Cert, invalid.Cert, now)
	}
	return time.Time{}, refuse("issue it anew", "certificate %s is not good: %s", f.Cert, plain(err))
}

// ends is when the last of the chains ends: each with the first of its certificates that does.
func ends(chains [][]*x509.Certificate) (last time.Time) {
	for _, chain := range chains {
		end := chain[0].NotAfter
		for _, c := range chain {
			if c.NotAfter.Before(end) {
				end = c.NotAfter
			}
		}
		if end.After(last) {
			last = end
		}
	}
	return last
}

// checkTime says whether a certificate holds at the moment; whose begins the sentence.
func checkTime(whose string, c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return refuse("are the clocks of both sites right?", "%s is not valid before %s", whose, stamp(c.NotBefore))
	case now.After(c.NotAfter):
		return refuse("issue a new one: replicator keys issue, or your own PKI", "%s has expired on %s", whose, stamp(c.NotAfter))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

func refuse(hint, format string, args ...any) error {
	return fault.New(fault.Link, fmt.Errorf(format, args...), hint)
}
