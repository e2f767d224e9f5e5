package pki

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"replicator/replicator/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newCA is a CA of its own name in a directory of its own.
func newCA(t *testing.T, name string) *Authority {
	t.Helper()
	a, err := Create(t.TempDir(), name, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// forge makes an identity that Load need not let through: change is done to its certificate before it
// is signed, and it trusts the CAs given besides its own.
func forge(t *testing.T, a *Authority, role Role, change func(*x509.Certificate), trust ...*Authority) *Identity {
	t.Helper()
	template, err := Request{Role: role, Hosts: []string{"localhost", "127.0.0.1"}}.template()
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(template)
	}
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := sign(template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	roots := []*x509.Certificate{a.cert}
	for _, other := range trust {
		roots = append(roots, other.cert)
	}
	return newIdentity([]*x509.Certificate{cert}, key, roots, role)
}

// meeting is what came of a connection: the error of each side, explained, and what each saw.
type meeting struct {
	server, client           error
	serverState, clientState tls.ConnectionState
}

// meet connects two configurations over loopback. Like the link, the client writes as soon as it has
// shaken hands, and only then reads.
func meet(t *testing.T, server, client *tls.Config) (m meeting) {
	t.Helper()
	ended := make(chan struct{})
	defer func() { <-ended }()
	l := listen(t)
	go func() {
		defer close(ended)
		m.server = accept(t, l, func(c net.Conn) error {
			conn := tls.Server(c, server)
			if err := Handshake(t.Context(), conn); err != nil {
				return err
			}
			m.serverState = conn.ConnectionState()
			return answer(conn)
		})
	}()
	m.client = dial(t, l, func(c net.Conn) error {
		conn := tls.Client(c, client)
		if err := Handshake(t.Context(), conn); err != nil {
			return err
		}
		m.clientState = conn.ConnectionState()
		return ask(conn)
	})
	return m
}

// ask writes more than one record, and reads the answer.
func ask(conn *tls.Conn) error {
	b := make([]byte, 20<<10)
	for range 2 {
		if _, err := conn.Write(b); err != nil {
			return Explain(err)
		}
	}
	_, err := conn.Read(b)
	return Explain(err)
}

func answer(conn *tls.Conn) error {
	if _, err := io.ReadFull(conn, make([]byte, 40<<10)); err != nil {
		return Explain(err)
	}
	_, err := conn.Write([]byte("welcome"))
	return Explain(err)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// patience is longer than anything here takes.
const patience = 20 * time.Second

func accept(t *testing.T, l net.Listener, do func(net.Conn) error) error {
	c, err := l.Accept()
	if err != nil {
		t.Error(err)
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	return do(c)
}

func dial(t *testing.T, l net.Listener, do func(net.Conn) error) error {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	return do(c)
}

// refused wants a refusal for people: code 6, one line that has text in it, a hint, and nothing in the
// chain that is taken for a lost connection.
func refused(t *testing.T, who string, err error, text string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("%s: no error, want %q", who, text)
	case fault.CodeOf(err) != fault.Link:
		t.Errorf("%s: code %d of %v", who, fault.CodeOf(err), err)
	case !strings.Contains(err.Error(), text) || strings.ContainsAny(err.Error(), "\r\n"):
		t.Errorf("%s: %q, want %q on one line", who, err, text)
	case fault.HintOf(err) == "" || strings.ContainsAny(fault.HintOf(err), "\r\n"):
		t.Errorf("%s: hint %q", who, fault.HintOf(err))
	case errors.As(err, new(net.Error)):
		t.Errorf("%s: %v looks like a lost connection", who, err)
	}
}

// lost wants an error that is no refusal.
func lost(t *testing.T, err error) {
	t.Helper()
	if err == nil || fault.CodeOf(err) == fault.Link {
		t.Errorf("error %v of code %d is not a lost connection", err, fault.CodeOf(err))
	}
}

// TestTheyMeet: two ends of one CA, and what each learns of the other.
func TestTheyMeet(t *testing.T) {
	a := newCA(t, "")
	server := issueAndLoad(t, a, Request{Role: Target, Hosts: []string{"new.example", "localhost", "127.0.0.1", "::1"}, Days: 20})
	client := issueAndLoad(t, a, Request{Role: Source, Jobs: []string{"emr", "pacs"}})
	for _, host := range []string{"localhost", "127.0.0.1", "new.example", "NEW.example", "::1"} {
		m := meet(t, server.Server(), client.Client(host))
		if m.server != nil || m.client != nil {
			t.Fatalf("%s: server %v, client %v", host, m.server, m.client)
		}
		if m.clientState.Version != tls.VersionTLS13 {
			t.Errorf("version %x", m.clientState.Version)
		}
		p := client.Peer(m.clientState)
		if p.Role != Target || !p.Allows("emr") || p.String() != "new.example" || !p.NotAfter.Equal(server.NotAfter) {
			t.Errorf("the client sees %+v", p)
		}
		p = server.Peer(m.serverState)
		if p.Role != Source || !p.Allows("emr") || !p.Allows("pacs") || p.Allows("ed") || p.Allows("") || p.String() != "replicator source" {
			t.Errorf("the server sees %+v", p)
		}
	}
}

// TestNothingIsResumed: every connection shows its certificates.
func TestNothingIsResumed(t *testing.T) {
	a := newCA(t, "")
	server, client := forge(t, a, Target, nil).Server(), forge(t, a, Source, nil).Client("localhost")
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for range 2 {
		if m := meet(t, server, client); m.server != nil || m.client != nil || m.clientState.DidResume {
			t.Errorf("server %v, client %v, resumed %v", m.server, m.client, m.clientState.DidResume)
		}
	}
}

func issueAndLoad(t *testing.T, a *Authority, r Request) *Identity {
	t.Helper()
	issued, err := a.Issue(r, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	id, err := Load(issued.Files, r.Role)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestRefusals: what either side says when they must not meet.
func TestRefusals(t *testing.T) {
	ours, theirs := newCA(t, "Ours"), newCA(t, "Theirs")
	day := 24 * time.Hour
	expired := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = c.NotBefore.Add(-2*day), c.NotBefore.Add(-day) }
	early := func(c *x509.Certificate) { c.NotBefore = time.Now().Add(day) }
	anyUsage := func(c *x509.Certificate) { c.ExtKeyUsage = nil }
	noRole := func(c *x509.Certificate) { c.URIs = nil }
	const refusesOurs = "the other end refuses our certificate"

	target, source := forge(t, ours, Target, nil), forge(t, ours, Source, nil)
	for _, tc := range []struct {
		name           string
		server, client *tls.Config
		serverSays     string
		clientSays     string
	}{
		{"source of another CA", target.Server(), forge(t, theirs, Source, nil, ours).Client("localhost"),
			"signed by a CA that is not in our CA file: Theirs", "the other end does not know the CA of our certificate"},
		{"target of another CA", forge(t, theirs, Target, nil, ours).Server(), source.Client("localhost"),
			refusesOurs, "signed by a CA that is not in our CA file: Theirs"},
		{"source has expired", target.Server(), forge(t, ours, Source, expired).Client("localhost"),
			"has expired on 20", "the other end says that our certificate has expired"},
		{"target has expired", forge(t, ours, Target, expired).Server(), source.Client("localhost"),
			refusesOurs, "has expired on 20"},
		{"source is not valid yet", target.Server(), forge(t, ours, Source, early).Client("localhost"),
			"is not valid before 20", "has expired"},
		{"target is not valid yet", forge(t, ours, Target, early).Server(), source.Client("localhost"),
			refusesOurs, "is not valid before 20"},
		{"a source serves", forge(t, ours, Source, nil).Server(), source.Client("localhost"),
			refusesOurs, "is a source certificate, which cannot serve"},
		{"a source without hosts serves", forge(t, ours, Source, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil }).Server(), source.Client("localhost"),
			refusesOurs, "is a source certificate, which cannot serve"},
		{"a source of another PKI serves", forge(t, ours, Source, anyUsage).Server(), source.Client("localhost"),
			refusesOurs, "is a source certificate, which cannot serve"},
		{"a target dials", target.Server(), forge(t, ours, Target, nil).Client("localhost"),
			"is a target certificate, which cannot dial in", refusesOurs},
		{"a target of another PKI dials", target.Server(), forge(t, ours, Target, anyUsage).Client("localhost"),
			"is a target certificate, which cannot dial in", refusesOurs},
		{"a source without role", target.Server(), forge(t, ours, Source, noRole).Client("localhost"),
			"names no role", refusesOurs},
		{"a target without role", forge(t, ours, Target, noRole).Server(), source.Client("localhost"),
			refusesOurs, "names no role"},
		{"a target with both roles", forge(t, ours, Target, func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "source.replicator.internal") }).Server(), source.Client("localhost"),
			refusesOurs, "names both roles"},
		{"a source for another use", target.Server(), forge(t, ours, Source, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }).Client("localhost"),
			"extended key usage without clientAuth", refusesOurs},
		{"a target for another use", forge(t, ours, Target, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} }).Server(), source.Client("localhost"),
			refusesOurs, "extended key usage without serverAuth"},
		{"another host", target.Server(), source.Client("new.example"),
			refusesOurs, "is not for new.example but for localhost, 127.0.0.1"},
		{"another address", target.Server(), source.Client("10.0.0.1"),
			refusesOurs, "is not for 10.0.0.1 but for localhost, 127.0.0.1"},
		{"names that are none", forge(t, ours, Target, func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"a\nb"}, nil }).Server(), source.Client("new.example"),
			refusesOurs, ""},
		{"a client of TLS 1.2", target.Server(), &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true},
			"does not speak TLS 1.3", "does not speak TLS 1.3"},
		{"a server of TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12, Certificates: []tls.Certificate{target.cert}}, source.Client("localhost"),
			"does not speak TLS 1.3", "does not speak TLS 1.3"},
		{"a client without certificate", target.Server(), &tls.Config{InsecureSkipVerify: true},
			"the other side shows no certificate", "wants a certificate and was shown none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			m := meet(t, tc.server, tc.client)
			refused(t, "server", m.server, tc.serverSays)
			refused(t, "client", m.client, tc.clientSays)
		})
	}
}

// TestTheRefusalArrives: the alert is not lost in the reset of a connection whose client went on
// sending. It has to be tried more than once to fail.
func TestTheRefusalArrives(t *testing.T) {
	ours, theirs := newCA(t, "Ours"), newCA(t, "Theirs")
	server, client := forge(t, ours, Target, nil).Server(), forge(t, theirs, Source, nil, ours).Client("localhost")
	for range 50 {
		m := meet(t, server, client)
		refused(t, "client", m.client, "the other end does not know the CA")
	}
}

// TestTheCAExpires: what it signed ends with it, on both sides.
func TestTheCAExpires(t *testing.T) {
	a := newCA(t, "Old")
	template := *a.cert
	template.NotAfter = time.Now().Add(-time.Minute)
	var err error
	if a.cert, err = sign(&template, &template, a.key.Public(), a.key); err != nil {
		t.Fatal(err)
	}
	target, source := forge(t, a, Target, nil), forge(t, a, Source, nil)
	m := meet(t, target.Server(), source.Client("localhost"))
	refused(t, "client", m.client, "has expired on")
	refused(t, "server", m.server, "the other end refuses our certificate")
}

// TestRolesInDNS: a PKI without URI SANs.
func TestRolesInDNS(t *testing.T) {
	a := newCA(t, "")
	inDNS := func(c *x509.Certificate) {
		role := strings.TrimPrefix(c.URIs[0].String(), roleURN)
		c.URIs, c.ExtKeyUsage, c.IPAddresses = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, nil
		c.DNSNames = []string{strings.ToUpper(role) + ".Replicator.internal", "localhost"}
	}
	m := meet(t, forge(t, a, Target, inDNS).Server(), forge(t, a, Source, inDNS).Client("localhost"))
	if m.server != nil || m.client != nil {
		t.Errorf("server %v, client %v", m.server, m.client)
	}
	if p := forge(t, a, Source, nil).Peer(m.clientState); p.String() != "localhost" {
		t.Errorf("the client sees %v", p)
	}
	m = meet(t, forge(t, a, Source, inDNS).Server(), forge(t, a, Target, inDNS).Client("localhost"))
	refused(t, "client", m.client, "is a source certificate, which cannot serve")
}

// TestPlainClient: something else knocks at the port of replicator serve.
func TestPlainClient(t *testing.T) {
	server := forge(t, newCA(t, ""), Target, nil).Server()
	for name, hello := range map[string]string{
		"HTTP":       "GET / HTTP/1.1\r\nHost: new.example\r\n\r\n",
		"PostgreSQL": "\x00\x00\x00\x08\x04\xd2\x16\x2f",
		"SSH":        "SSH-2.0-OpenSSH_9.6\r\n",
		"our own":    "replicator link\n\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			l := listen(t)
			got := make(chan error, 1)
			go func() {
				got <- accept(t, l, func(c net.Conn) error { return Handshake(t.Context(), tls.Server(c, server)) })
			}()
			err := dial(t, l, func(c net.Conn) error {
				_, err := c.Write([]byte(hello))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			refused(t, "server", <-got, "the other side does not speak TLS")
		})
	}
}

// TestPlainServer: --target-host leads to something else.
func TestPlainServer(t *testing.T) {
	client := forge(t, newCA(t, ""), Source, nil).Client("localhost")
	for name, answer := range map[string]string{
		"HTTP":       "HTTP/1.0 400 Bad Request\r\n\r\nClient sent bytes to an HTTP server.\n",
		"PostgreSQL": "E\x00\x00\x00\x8cSFATAL\x00VFATAL\x00C08P01\x00Mprotocol\x00\x00",
		"SSH":        "SSH-2.0-OpenSSH_9.6\r\n",
		"our own":    "replicator link\n\x00\x01",
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, "client", answered(t, client, answer), "the other side does not speak TLS")
		})
	}
}

// TestLostIsNotRefused: what goes away by itself is to be tried again.
func TestLostIsNotRefused(t *testing.T) {
	client := forge(t, newCA(t, ""), Source, nil).Client("localhost")
	t.Run("nobody listens", func(t *testing.T) {
		l := listen(t)
		l.Close()
		_, err := net.Dial("tcp", l.Addr().String())
		lost(t, Explain(err))
	})
	t.Run("hangs up", func(t *testing.T) { lost(t, answered(t, client, "")) })
	t.Run("a damaged kind", func(t *testing.T) { lost(t, answered(t, client, "\x17\x03\x03\x00\x05hello")) })
	t.Run("a damaged version", func(t *testing.T) { lost(t, answered(t, client, "\x16\x83\x03\x00\x05hello")) })
	t.Run("says nothing", func(t *testing.T) {
		l := listen(t)
		defer l.Close()
		lost(t, dial(t, l, func(c net.Conn) error {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			return Handshake(ctx, tls.Client(c, client))
		}))
	})
	lost(t, Explain(errors.New("something else")))
	if Explain(nil) != nil {
		t.Error("an error of nothing")
	}
}

// answered is the client's error with a server that reads a hello and says answer.
func answered(t *testing.T, client *tls.Config, answer string) error {
	t.Helper()
	l := listen(t)
	ended := make(chan struct{})
	defer func() { <-ended }()
	go func() {
		defer close(ended)
		err := accept(t, l, func(c net.Conn) error {
			if _, err := c.Read(make([]byte, 16<<10)); err != nil {
				return err
			}
			_, err := c.Write([]byte(answer))
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}()
	return dial(t, l, func(c net.Conn) error { return Handshake(t.Context(), tls.Client(c, client)) })
}

// TestExplainKeepsItsOwn: explained twice is explained once.
func TestExplainKeepsItsOwn(t *testing.T) {
	once := Explain(x509.UnknownAuthorityError{})
	if twice := Explain(once); twice != once {
		t.Errorf("%v became %v", once, twice)
	}
}

func TestWarn(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for left, want := range map[time.Duration]string{
		14 * 24 * time.Hour:             "",
		14*24*time.Hour - time.Second:   "the target certificate ends on 2026-12-08 11:59 UTC, in 13 days: issue a new one and restart",
		2*24*time.Hour + 10*time.Minute: "the target certificate ends on 2026-11-26 12:10 UTC, in 2 days: issue a new one and restart",
		time.Hour:                       "the target certificate ends on 2026-11-24 13:00 UTC, in less than a day: issue a new one and restart",
		49 * time.Hour:                  "the target certificate ends on 2026-11-26 13:00 UTC, in 2 days: issue a new one and restart",
		-time.Second:                    "the target certificate has expired on 2026-11-24 11:59 UTC: issue a new one and restart",
	} {
		if got := (&Identity{Role: Target, NotAfter: now.Add(left)}).Warn(now); got != want {
			t.Errorf("%v left: %q, want %q", left, got, want)
		}
	}
}
