package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"replicator/replicator/fault"
)

// Explain makes of an error of a handshake, or of the first reads and writes after it, one line that
// says what is wrong and a hint what to do: of code fault.Link, final, and without the original in
// its chain, which looks like a lost connection. What may go away by itself stays as it is: a
// connection that is refused, ends or times out, and damage on the way.
//
// In TLS 1.3 the target end's refusal of our certificate comes with our first read.
func Explain(err error) error {
	if err == nil || fault.CodeOf(err) == fault.Link {
		return err
	}
	for _, explain := range []func(error) error{foreign, unknownCA, otherHost, invalid, said, spoken} {
		if e := explain(err); e != nil {
			return e
		}
	}
	return err
}

// foreign is a port where somebody speaks another protocol. A single damaged byte in the header of a
// record does not make it one: neither the kind of the record nor its version are TLS's.
func foreign(err error) error {
	var e tls.RecordHeaderError
	if !errors.As(err, &e) || e.RecordHeader[0] >= 20 && e.RecordHeader[0] <= 23 || e.RecordHeader[1] == 3 {
		return nil
	}
	return refuse("look at host and port: is replicator serve there, and nothing in between that speaks for it?", "the other side does not speak TLS")
}

func unknownCA(err error) error {
	var e x509.UnknownAuthorityError
	if !errors.As(err, &e) {
		return nil
	}
	return refuse("give both ends the CA that signed the other's certificate; the CA file may hold several",
		"the certificate of the other end is signed by a CA that is not in our CA file%s", issuer(e.Cert))
}

func issuer(c *x509.Certificate) string {
	if c == nil || c.Issuer.CommonName == "" {
		return ""
	}
	return ": " + quote(c.Issuer.CommonName)
}

// otherHost is a certificate with other names than the one that was dialed. One of the wrong role has
// no such names either, and that is what is wrong with it.
func otherHost(err error) error {
	var e x509.HostnameError
	if !errors.As(err, &e) {
		return nil
	}
	if has(e.Certificate, Source) {
		return checkRole(theirs, e.Certificate, Target)
	}
	return refuse("dial one of its names, or issue one for this name: replicator keys issue --role target --host "+word(e.Host),
		"%s is not for %s but for %s", theirs, quote(e.Host), names(e.Certificate))
}

const theirs = "the certificate of the other end"

// names lists whom a certificate is for, so far as a person can read it.
func names(c *x509.Certificate) string {
	const most = 8
	list := hosts(c)
	if len(list) == 0 {
		return "no host"
	}
	for i := range list {
		list[i] = quote(list[i])
	}
	if len(list) > most {
		list = append(list[:most], "others")
	}
	return strings.Join(list, ", ")
}

// invalid is a certificate that was refused here for another reason.
func invalid(err error) error {
	var e x509.CertificateInvalidError
	if !errors.As(err, &e) {
		var v *tls.CertificateVerificationError
		if errors.As(err, &v) {
			return refuse("issue it anew", "%s is not good: %s", theirs, plain(v.Err))
		}
		return nil
	}
	switch e.Reason {
	case x509.Expired:
		return expired(e)
	case x509.IncompatibleUsage:
		if err := usage(e.Cert); err != nil {
			return err
		}
	}
	return refuse("issue it anew", "%s is not good: %s", theirs, plain(e))
}

// expired tells one that has ended from one that is yet to begin: e has the time only as text.
func expired(e x509.CertificateInvalidError) error {
	if strings.Contains(e.Detail, "is before") {
		return refuse("are the clocks of both sites right?", "%s is not valid before %s", theirs, stamp(e.Cert.NotBefore))
	}
	return refuse("issue a new one for that end: replicator keys issue, or your own PKI; are the clocks of both sites right?",
		"%s has expired on %s", theirs, stamp(e.Cert.NotAfter))
}

// usage is a certificate for another use than this: the role says it in better words. It is nil where
// the CA is what is not for this use.
func usage(c *x509.Certificate) error {
	role := Source
	if has(c, Target) {
		role = Target
	}
	if usable(c, role) { // so it is not for what it was used for
		return checkRole(theirs, c, role.other())
	}
	return checkRole(theirs, c, role)
}

// plain is err on one line.
func plain(err error) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, err.Error())
	return strings.TrimPrefix(text, "x509: ")
}

// quote shows a name from a certificate, which may not be ours and hold anything.
func quote(name string) string {
	const most = 80
	if len(name) > most {
		name = name[:most] + "..."
	}
	if word(name) == name {
		return name
	}
	return fmt.Sprintf("%q", name)
}

// word is name if it looks like a host, and what to put in its place otherwise.
func word(name string) string {
	for _, r := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:*", r) {
			return "NAME"
		}
	}
	return name
}
