package pki

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
)

// The alerts by which the other end says what it makes of our certificate.
var alerts = []struct {
	alert      tls.AlertError
	text, hint string
}{
	{48, "the other end does not know the CA of our certificate", "give both ends the CA that signed the other's certificate; the CA file may hold several"},
	{45, "the other end says that our certificate has expired", "issue a new one; are the clocks of both sites right?"},
	{42, refusesOurs, itsLog},
	{43, refusesOurs, itsLog},
	{44, refusesOurs, itsLog},
	{46, refusesOurs, itsLog},
	{49, refusesOurs, itsLog},
	{116, "the other end wants a certificate and was shown none", "give --cert and --key"},
	{40, olderTLS, sameVersion},
	{70, olderTLS, sameVersion},
	{120, "the other side speaks another protocol within TLS", "look at host and port: is replicator serve there?"},
}

const (
	refusesOurs = "the other end refuses our certificate"
	itsLog      = "the log of the other end says why: our CA is not in its CA file, or our certificate is of the wrong role, lacks the host that was dialed, or has expired"
	olderTLS    = "the other side does not speak TLS 1.3"
	sameVersion = "look at host and port: is replicator there, of a version like this one, and nothing in between that speaks for it?"
)

// said is an alert of the other end. crypto/tls keeps its type to itself, but not its text.
func said(err error) error {
	var e *net.OpError
	if !errors.As(err, &e) || e.Op != "remote error" {
		return nil
	}
	for _, a := range alerts {
		if e.Err.Error() == a.alert.Error() {
			return refuse(a.hint, "%s", a.text)
		}
	}
	return nil
}

// spoken is what crypto/tls says without a type of its own.
func spoken(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "tls: client offered only unsupported versions"), strings.Contains(text, "tls: server selected unsupported protocol version"):
		return refuse(sameVersion, olderTLS)
	case strings.Contains(text, "tls: client didn't provide a certificate"):
		return refuse("only replicator dials here; it gives --cert and --key", "the other side shows no certificate")
	}
	return nil
}
