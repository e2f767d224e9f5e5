package pki

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"replicator/replicator/fault"
)

// Role is which end of the link a certificate is for.
type Role string

// The roles. The source end dials, the target end serves.
const (
	Source Role = "source"
	Target Role = "target"
)

const (
	roleURN = "urn:replicator:role:"
	jobURN  = "urn:replicator:job:"
	roleDNS = ".replicator.internal" // after the role, for a PKI that makes no URI SANs
)

func (r Role) uri() *url.URL { return urn(roleURN, string(r)) }

func (r Role) usage() x509.ExtKeyUsage {
	if r == Target {
		return x509.ExtKeyUsageServerAuth
	}
	return x509.ExtKeyUsageClientAuth
}

// cannot is what a certificate of the role is no good for.
func (r Role) cannot() string {
	if r == Target {
		return "cannot dial in"
	}
	return "cannot serve"
}

func (r Role) other() Role {
	if r == Target {
		return Source
	}
	return Target
}

func urn(prefix, name string) *url.URL {
	return &url.URL{Scheme: "urn", Opaque: strings.TrimPrefix(prefix, "urn:") + name}
}

// has reports whether the certificate names the role.
func has(c *x509.Certificate, r Role) bool {
	return slices.Contains(named(c, roleURN), string(r)) ||
		slices.ContainsFunc(c.DNSNames, func(name string) bool { return strings.EqualFold(name, string(r)+roleDNS) })
}

// named are what stands behind prefix in the certificate's URIs.
func named(c *x509.Certificate, prefix string) []string {
	var list []string
	for _, u := range c.URIs {
		if name, ok := strings.CutPrefix(strings.ToLower(u.String()), prefix); ok {
			list = append(list, name)
		}
	}
	return list
}

// hosts are the names and addresses that a client may dial.
func hosts(c *x509.Certificate) []string {
	var list []string
	for _, name := range c.DNSNames {
		if !strings.HasSuffix(strings.ToLower(name), roleDNS) {
			list = append(list, name)
		}
	}
	for _, ip := range c.IPAddresses {
		list = append(list, ip.String())
	}
	return list
}

// checkRole says whether a certificate is for the role; whose begins the sentence. One that names
// both roles is refused: which end it speaks for must be beyond doubt.
func checkRole(whose string, c *x509.Certificate, want Role) error {
	mine, others := has(c, want), has(c, want.other())
	switch {
	case mine && others:
		return fault.New(fault.Link, fmt.Errorf("%s names both roles", whose), "each end has a certificate of its own: replicator keys issue --role "+string(want))
	case others:
		return fault.New(fault.Link, fmt.Errorf("%s is a %s certificate, which %s", whose, want.other(), want.other().cannot()), instead(want))
	case !mine:
		return fault.New(fault.Link, fmt.Errorf("%s names no role", whose),
			fmt.Sprintf("replicator keys issue --role %s makes one; in another PKI add the SAN URI:%s or DNS:%s%s", want, want.uri(), want, roleDNS))
	}
	if !usable(c, want) {
		return fault.New(fault.Link, fmt.Errorf("%s has an extended key usage without %s", whose, usageName(want)), "issue it with that usage, or with none")
	}
	return nil
}

func instead(want Role) string {
	return fmt.Sprintf("a %s certificate belongs there: replicator keys issue --role %s", want, want)
}

func usable(c *x509.Certificate, want Role) bool {
	none := len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0
	return none || slices.Contains(c.ExtKeyUsage, want.usage()) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

func usageName(r Role) string {
	if r == Target {
		return "serverAuth"
	}
	return "clientAuth"
}
