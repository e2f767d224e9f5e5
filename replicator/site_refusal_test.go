package replicator_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/fault"
	"replicator/replicator/link"
)

// TestLinkRefusals points an engine at everything that is not its target end: code 6, one line, and
// nothing on the target.
func TestLinkRefusals(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY, v text)")
	s := p.far()
	good := p.o.Link
	others := newCertificates(t) // of another CA
	bound := boundToJob(t, "lab")
	p.o.Name = "emr"
	files := func(c certificates, role string) replicator.Link {
		return replicator.Link{Host: good.Host, Cert: c.file(role + ".crt"), Key: c.file(role + ".key"), CA: c.file("ca.crt")}
	}
	for name, tc := range map[string]struct {
		link replicator.Link
		want string // in the message
	}{
		"our CA is unknown there":       {replicator.Link{Host: good.Host, Cert: others.file("source.crt"), Key: others.file("source.key"), CA: good.CA}, "CA"},
		"their CA is unknown here":      {replicator.Link{Host: good.Host, Cert: good.Cert, Key: good.Key, CA: others.file("ca.crt")}, "CA"},
		"everything of another CA":      {files(others, "source"), "CA"},
		"a target's certificate":        {replicator.Link{Host: good.Host, Cert: s.o.Cert, Key: s.o.Key, CA: good.CA}, "target"},
		"no such file":                  {replicator.Link{Host: good.Host, Cert: "nowhere.crt", Key: good.Key, CA: good.CA}, "nowhere.crt"},
		"another name than it has":      {replicator.Link{Host: chatter(t, "127.0.0.2", &s.o, ""), Cert: good.Cert, Key: good.Key, CA: good.CA}, "127.0.0.1"},
		"plain TCP":                     {replicator.Link{Host: chatter(t, "127.0.0.1", nil, "HTTP/1.1 400 Bad Request\r\n\r\n"), Cert: good.Cert, Key: good.Key, CA: good.CA}, "TLS"},
		"another protocol over TLS":     {replicator.Link{Host: chatter(t, "127.0.0.1", &s.o, "220 mail.example ESMTP ready to help you\r\n"), Cert: good.Cert, Key: good.Key, CA: good.CA}, "protocol"},
		"a newer version":               {replicator.Link{Host: chatter(t, "127.0.0.1", &s.o, "replicator link\n\x00"+string(rune(link.Version+1))), Cert: good.Cert, Key: good.Key, CA: good.CA}, fmt.Sprintf("version %d", link.Version+1)},
		"a certificate for another job": {replicator.Link{Host: bound.serve(t, p.target), Cert: bound.file("source.crt"), Key: bound.file("source.key"), CA: bound.file("ca.crt")}, "another job"},
	} {
		t.Run(name, func(t *testing.T) {
			o := p.o
			o.Dir, o.Link = filepath.Join(t.TempDir(), "job"), tc.link
			err := replicator.Seed(t.Context(), o)
			if code := fault.CodeOf(err); code != fault.Link || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("code %d: %v (hint: %s)", code, err, fault.HintOf(err))
			}
			if fault.HintOf(err) == "" {
				t.Errorf("no hint with: %v", err)
			}
			t.Logf("%v (hint: %s)", err, fault.HintOf(err))
		})
	}
	if n := p.value(p.target, "SELECT count(*) FROM pg_namespace WHERE nspname = 'replicator'"); n != "0" {
		t.Error("a refused engine left something on the target")
	}
	if s.o.Cert, s.o.Key = good.Cert, good.Key; fault.CodeOf(replicator.Serve(t.Context(), s.o)) != fault.Link {
		t.Error("a source's certificate may serve")
	}
}

// chatter listens and greets everybody with a text, over TLS with a service's certificate or plain.
func chatter(t *testing.T, address string, o *replicator.ServeOptions, text string) string {
	t.Helper()
	l, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if o != nil {
		cert, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			t.Fatal(err)
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert})
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, text)
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return l.Addr().String()
}

// boundToJob is certificates that are for one job only.
func boundToJob(t *testing.T, job string) certificates {
	t.Helper()
	c := certificates{t.TempDir()}
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bound CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key := c.issue(t, "ca", root, nil, nil)
	for i, role := range []string{"source", "target"} {
		uris := []*url.URL{{Scheme: "urn", Opaque: "replicator:role:" + role}}
		if role == "source" {
			uris = append(uris, &url.URL{Scheme: "urn", Opaque: "replicator:job:" + job})
		}
		c.issue(t, role, &x509.Certificate{SerialNumber: big.NewInt(int64(2 + i)), Subject: pkix.Name{CommonName: role}, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, URIs: uris, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}, root, key)
	}
	return c
}

// serve runs a service with these certificates for the length of the test.
func (c certificates) serve(t *testing.T, target string) string {
	t.Helper()
	listening, served := make(chan net.Addr, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		served <- replicator.Serve(ctx, replicator.ServeOptions{
			Target: target, Listen: "127.0.0.1:0", Dir: filepath.Join(t.TempDir(), "serve"),
			Cert: c.file("target.crt"), Key: c.file("target.key"), CA: c.file("ca.crt"),
			Listening: func(a net.Addr) { listening <- a },
		})
	}()
	t.Cleanup(func() { stop(); <-served })
	return (<-listening).String()
}

// TestServiceIsAlone starts two services on one directory.
func TestServiceIsAlone(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	s := p.far()
	second := s.o
	second.Listen = "127.0.0.1:0"
	if err := replicator.Serve(t.Context(), second); fault.CodeOf(err) != fault.Fenced {
		t.Errorf("a second service on the same directory: %v", err)
	}
	if code := s.service.terminate(); code != int(fault.Interrupted) {
		t.Errorf("a service that is told to stop ended with %d", code)
	}
	if _, err := os.Stat(s.o.Dir); err != nil {
		t.Error(err)
	}
}
