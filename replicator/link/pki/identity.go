package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"time"
)

// Identity is an end's own certificate and whom it trusts, loaded and checked. It does not change.
type Identity struct {
	Role     Role
	Jobs     []string  // that the certificate is for; empty: every job
	NotAfter time.Time // when the certificate or its CA ends

	cert    tls.Certificate
	roots   *x509.CertPool
	between *x509.CertPool // certificates between ours and the CA
}

// soon is when the end of a certificate is worth a warning: time to issue another one, and longer
// than a move's last phase.
const soon = 14 * 24 * time.Hour

// Warn says that the certificate ends within two weeks; "" where it does not.
func (id *Identity) Warn(now time.Time) string {
	left := id.NotAfter.Sub(now)
	switch {
	case left >= soon:
		return ""
	case left < 0:
		return fmt.Sprintf("the %s certificate has expired on %s: issue a new one and restart", id.Role, stamp(id.NotAfter))
	}
	in := "in less than a day"
	if days := int(left / (24 * time.Hour)); days > 0 {
		in = fmt.Sprintf("in %d days", days)
	}
	return fmt.Sprintf("the %s certificate ends on %s, %s: issue a new one and restart", id.Role, stamp(id.NotAfter), in)
}

// Server is the target end's side of TLS.
func (id *Identity) Server() *tls.Config {
	c := id.config(Source)
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, id.roots
	c.Certificates = []tls.Certificate{id.cert}
	return c
}

// Client is the source end's side of TLS, towards the host that it dials: a name or an address.
func (id *Identity) Client(host string) *tls.Config {
	c := id.config(Target)
	c.RootCAs, c.ServerName = id.roots, host
	// With Certificates ours would be kept back where the server names other CAs, and be missed there
	// instead of refused for its CA.
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &id.cert, nil }
	return c
}

// config is what both sides have in common. There are no session tickets: each connection shows its
// certificates, and a new one of either end counts from its first connection.
func (id *Identity) config(peer Role) *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		SessionTicketsDisabled:      true,
		DynamicRecordSizingDisabled: true, // the link is for bulk; small records cost more than they save
		VerifyConnection: func(s tls.ConnectionState) error {
			return checkRole(theirs, s.PeerCertificates[0], peer)
		},
	}
}

// Peer is whom a connection leads to, after its handshake.
func (id *Identity) Peer(s tls.ConnectionState) Peer {
	leaf := s.PeerCertificates[0]
	p := Peer{Role: id.Role.other(), Jobs: named(leaf, jobURN), NotAfter: ends(s.VerifiedChains)}
	if list := hosts(leaf); len(list) > 0 {
		p.name = list[0]
	} else if p.name = leaf.Subject.CommonName; p.name == "" {
		p.name = "serial " + leaf.SerialNumber.Text(16)
	}
	return p
}

// Peer is what the certificate of the other end says.
type Peer struct {
	Role     Role
	Jobs     []string  // that it is for; empty: every job
	NotAfter time.Time // when the certificate or its CA ends
	name     string
}

// Allows reports whether the certificate is for the job.
func (p Peer) Allows(job string) bool { return len(p.Jobs) == 0 || slices.Contains(p.Jobs, job) }

// String names the peer, for logs: the certificate's first host, or else its subject.
func (p Peer) String() string { return p.name }
