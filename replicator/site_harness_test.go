package replicator_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"replicator/bench/proxy"
	"replicator/replicator"
)

// site is a target's site: its service as a process of its own, behind a line that can be bad.
type site struct {
	t       *testing.T
	o       replicator.ServeOptions
	service *engine
	line    *proxy.Proxy
}

// far moves a pair's target to another site.
func (p *pair) far() *site {
	p.t.Helper()
	certs := newCertificates(p.t)
	s := &site{t: p.t, o: replicator.ServeOptions{
		Target: p.o.Target, Listen: freePort(p.t), Dir: filepath.Join(p.t.TempDir(), "serve"),
		Cert: certs.file("target.crt"), Key: certs.file("target.key"), CA: certs.file("ca.crt"),
	}}
	var err error
	if s.line, err = proxy.Listen(p.t.Context(), proxy.Config{Target: s.o.Listen}); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { s.line.Close() })
	s.start(orders{})
	p.o.Target = ""
	p.o.Link = replicator.Link{Host: s.line.Addr(), Cert: certs.file("source.crt"), Key: certs.file("source.key"), CA: certs.file("ca.crt")}
	return s
}

// start starts the service and waits until it takes connections.
func (s *site) start(o orders) {
	s.t.Helper()
	o.Serve = &s.o
	s.service = startEngine(s.t, o)
	for !listening.MatchString(s.service.out.String()) {
		select {
		case <-s.service.gone:
			s.t.Fatalf("service ended with %d:\n%s", s.service.code, s.service.out)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

var listening = regexp.MustCompile(`msg=serving`)

// freePort is a loopback address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificates is a directory with a CA and a certificate for each end.
type certificates struct{ dir string }

func (c certificates) file(name string) string { return filepath.Join(c.dir, name) }

func newCertificates(t *testing.T) certificates {
	t.Helper()
	c := certificates{t.TempDir()}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	rootKey := c.issue(t, "ca", root, nil, nil)
	for i, role := range []string{"source", "target"} {
		c.issue(t, role, &x509.Certificate{
			SerialNumber: big.NewInt(int64(2 + i)), Subject: pkix.Name{CommonName: role}, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
			URIs:        []*url.URL{{Scheme: "urn", Opaque: "replicator:role:" + role}}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		}, root, rootKey)
	}
	return c
}

// issue writes a certificate and its key; without a parent it signs itself.
func (c certificates) issue(t *testing.T, name string, cert, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, parentKey = cert, key
	}
	cert.NotBefore, cert.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(c.file(name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

// copyOfJob is a second state directory with what the first one holds: a machine that was cloned.
func copyOfJob(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}
