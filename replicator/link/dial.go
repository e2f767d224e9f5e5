package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/link/pace"
	"replicator/replicator/link/pki"
	"replicator/replicator/pg"
)

// KeepAlive has a dead connection noticed that nothing is sent over, as when a firewall on the way
// has forgotten it.
var KeepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

func (r *Remote) dialControl(ctx context.Context) (*wire, bool, error) {
	w, wel, err := r.dial(ctx, forControl, nil)
	if err == nil {
		w.patience = silence
	}
	return w, wel.Known, err
}

// dial makes a connection and says hello. Its error is pg.Lost where trying again may help.
func (r *Remote) dial(ctx context.Context, purpose string, limit *pace.Limiter) (*wire, welcome, error) {
	d := net.Dialer{KeepAliveConfig: KeepAlive, Timeout: connecting}
	raw, err := d.DialContext(ctx, "tcp", r.cfg.Address)
	if err != nil {
		return nil, welcome{}, lost("connect to the target end", err)
	}
	w, wel, err := r.greet(ctx, pace.NewConn(raw, limit), purpose)
	if err != nil {
		_ = raw.Close()
		return nil, wel, err
	}
	return w, wel, nil
}

// connecting bounds the wait for TCP alone: while the link is cut packets vanish, and a new attempt
// is noticed sooner than the retransmission of an old one.
const connecting = 3 * time.Second

func (r *Remote) greet(ctx context.Context, paced *pace.Conn, purpose string) (*wire, welcome, error) {
	var wel welcome
	host, _, err := net.SplitHostPort(r.cfg.Address)
	if err != nil {
		return nil, wel, fault.New(fault.Usage, fmt.Errorf("--target-host: %w", err), "as in new.example:7432")
	}
	stop := context.AfterFunc(ctx, func() { _ = paced.Close() })
	defer stop()
	_ = paced.SetDeadline(time.Now().Add(greeting))
	conn := tls.Client(paced, r.cfg.Identity.Client(host))
	if err := pki.Handshake(ctx, conn); err != nil {
		return nil, wel, refused(err)
	}
	peer := r.cfg.Identity.Peer(conn.ConnectionState())
	if !peer.Allows(r.cfg.Job) {
		return nil, wel, fault.New(fault.Link, fmt.Errorf("the certificate of the target end is for another job than %s", r.cfg.Job), "issue one for this job: replicator keys issue --job")
	}
	channel, err := newChannel(conn)
	if err != nil {
		return nil, wel, refused(err)
	}
	var c net.Conn = conn
	if r.cfg.Tamper != nil {
		c = r.cfg.Tamper(c)
	}
	w, wel, err := r.introduce(newWire(c, channel, sourceSide), purpose)
	if err == nil {
		_ = paced.SetDeadline(time.Time{})
		w.ended = func() { r.meter.end(paced) }
		r.meter.add(paced)
		r.gauge.certificate(peer.NotAfter)
	}
	return w, wel, err
}

// introduce exchanges preamble, hello and welcome.
func (r *Remote) introduce(w *wire, purpose string) (*wire, welcome, error) {
	var wel welcome
	if _, err := w.conn.Write(preamble(Version)); err != nil {
		return nil, wel, refused(err)
	}
	err := w.send(kindHello, r.epoch.Load(), 0, hello{
		Purpose: purpose, Job: r.cfg.Job, Instance: r.instance, Epoch: r.epoch.Load(),
		Database: r.cfg.Database, Source: r.cfg.Source, SearchPath: r.cfg.SearchPath, Limits: r.cfg.Limits, StepJobs: r.cfg.StepJobs, Scratch: r.cfg.Scratch,
	})
	if err != nil {
		return nil, wel, refused(err)
	}
	version, err := readPreamble(w.in)
	if err != nil {
		return nil, wel, refused(err)
	}
	if version != Version {
		return nil, wel, otherVersion("the target end", version)
	}
	h, body, err := awaitWelcome(w)
	if err != nil {
		return nil, wel, refused(err)
	}
	if err := unpack(h.flags, body, &wel); err != nil || h.kind != kindWelcome {
		return nil, wel, refused(errForeign)
	}
	if wel.Refused != nil {
		return nil, wel, wel.Refused.err()
	}
	w.bindTo(r.cfg.Job, r.instance)
	return w, wel, nil
}

// awaitWelcome reads past the pongs by which the target end says that it looks whether another engine
// is still alive.
func awaitWelcome(w *wire) (header, []byte, error) {
	for {
		h, body, err := w.read(nil)
		if err != nil || h.kind != kindPong {
			return h, body, err
		}
		_ = w.conn.SetReadDeadline(time.Now().Add(greeting))
	}
}

// refused is the error of a handshake or hello: what the certificates are at fault for is final, the
// rest is a lost connection.
func refused(err error) error {
	if errors.Is(err, errForeign) {
		return fault.New(fault.Link, err, "look at --target-host: is replicator serve there?")
	}
	if e := pki.Explain(err); fault.CodeOf(e) == fault.Link && !pg.Lost(e) {
		return e
	}
	return lost("connect to the target end", err)
}
