package pki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"replicator/replicator/fault"
)

// Request is what a certificate is to say.
type Request struct {
	Role  Role
	Hosts []string // names and addresses; a target needs one
	Jobs  []string // none: every job
	Days  int      // 0: CertificateDays. It does not outlive its CA
}

// Issued are the files that an end needs, and until when they hold.
type Issued struct {
	Files
	NotAfter time.Time
}

// Issue makes a certificate and its key in dir, which it makes too, and puts the CA's certificate
// beside them.
func (a *Authority) Issue(r Request, dir string) (*Issued, error) {
	template, err := r.template()
	if err != nil {
		return nil, err
	}
	if template.NotAfter.After(a.NotAfter) {
		template.NotAfter = a.NotAfter
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	cert, err := sign(template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	certName, keyName := string(r.Role)+".crt", string(r.Role)+".key"
	if err := errors.Join(makeDir(dir), absent(dir, certName, keyName)); err != nil {
		return nil, err
	}
	ca, err := copyNew(a.Cert, dir)
	if err != nil {
		return nil, err
	}
	if err := writePair(dir, certName, cert.Raw, keyName, key); err != nil {
		return nil, err
	}
	return &Issued{Files{filepath.Join(dir, certName), filepath.Join(dir, keyName), ca}, cert.NotAfter}, nil
}

// jobName is what the engine lets a job be called.
var jobName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

// hostName is a name in DNS, in capitals or not; the last part is no number, or it would be an
// address with a mistake.
var hostName = regexp.MustCompile(`^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9_-]*[A-Za-z][A-Za-z0-9_-]*$`)

// template is the certificate but for the key.
func (r Request) template() (*x509.Certificate, error) {
	if r.Role != Source && r.Role != Target {
		return nil, fault.New(fault.Usage, errors.New("--role takes source or target"), "")
	}
	from, until, err := period(r.Days, CertificateDays)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: "replicator " + string(r.Role)}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{r.Role.usage()}, BasicConstraintsValid: true,
	}
	c.URIs = append(c.URIs, r.Role.uri())
	if err := r.addJobs(c); err != nil {
		return nil, fault.New(fault.Usage, err, "")
	}
	if err := r.addHosts(c); err != nil {
		return nil, fault.New(fault.Usage, err, "names or addresses without port, as in new.example,10.20.0.5")
	}
	return c, nil
}

func (r Request) addJobs(c *x509.Certificate) error {
	for _, job := range r.Jobs {
		if !jobName.MatchString(job) {
			return errors.New("--job takes up to 32 small letters, digits, - and _")
		}
		c.URIs = append(c.URIs, urn(jobURN, job))
	}
	return nil
}

func (r Request) addHosts(c *x509.Certificate) error {
	if r.Role == Target && len(r.Hosts) == 0 {
		return errors.New("a target certificate needs --host: what the source end gives as --target-host")
	}
	for _, host := range r.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
			continue
		}
		if len(host) > 253 || !hostName.MatchString(host) {
			return errors.New("--host takes names and addresses")
		}
		if strings.HasSuffix(strings.ToLower(host), roleDNS) {
			return fmt.Errorf("names in %s are for roles, not for hosts", roleDNS[1:])
		}
		c.DNSNames = append(c.DNSNames, host)
	}
	return nil
}
