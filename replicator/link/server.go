package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"replicator/replicator/fault"
	"replicator/replicator/link/pki"
	"replicator/replicator/target"
)

// ServerConfig says what a service serves.
type ServerConfig struct {
	Identity *pki.Identity
	// DSN is of the target database: for the one that the job asks for, "" leaves it open, and the
	// name of its source. An error says that it may not have that one.
	DSN    func(database, source string) (string, error)
	Logger *slog.Logger
	Hook   func(point string)        // nil, or called at the target end's dangerous instants
	Tamper func(c net.Conn) net.Conn // nil, or what stands between TLS and the messages: see the fault tests
}

// Server is the target end as a service. Several jobs use it at once, each fenced by its epoch.
type Server struct {
	cfg      ServerConfig
	mu       sync.Mutex
	sessions map[string]*session // by job
}

// NewServer returns a server that listens nowhere yet.
func NewServer(cfg ServerConfig) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{cfg: cfg, sessions: map[string]*session{}}
}

// Run serves connections of l until ctx ends; then it ends what is under way, which is rolled back,
// and closes l. It returns nil when ctx ended.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	g.Go(func() error {
		for {
			c, err := l.Accept()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				if err := s.acceptPause(ctx, err); err != nil {
					return err
				}
				continue
			}
			g.Go(func() error { s.connection(ctx, g, c); return nil })
		}
	})
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// acceptPause waits out what goes away by itself, such as too many open files.
func (s *Server) acceptPause(ctx context.Context, err error) error {
	if errors.Is(err, net.ErrClosed) {
		return fault.New(fault.Link, fmt.Errorf("accept: %w", err), "")
	}
	s.cfg.Logger.Warn("accept", "error", err)
	select {
	case <-time.After(pingEvery):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connection is one connection from its first byte to its last.
func (s *Server) connection(ctx context.Context, g *errgroup.Group, raw net.Conn) {
	defer raw.Close()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	from := slog.String("from", raw.RemoteAddr().String())
	w, h, peer, err := s.greet(ctx, raw)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, io.EOF) { // a port scan, a health check
			s.cfg.Logger.Warn("connection refused", from, "error", err)
		}
		return
	}
	log := s.cfg.Logger.With(from, "job", h.Job, "peer", peer)
	switch h.Purpose {
	case forControl:
		err = s.control(ctx, g, w, h)
	case forMeasure:
		err = s.measure(ctx, w, h)
	default:
		err = s.carry(w, h)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, io.EOF) {
		log.Warn("connection ended", "for", h.Purpose, "error", err)
	} else {
		log.Debug("connection ended", "for", h.Purpose)
	}
}

// greet does TLS, preamble and hello within their time.
func (s *Server) greet(ctx context.Context, raw net.Conn) (*wire, *hello, string, error) {
	_ = raw.SetDeadline(time.Now().Add(greeting))
	conn := tls.Server(raw, s.cfg.Identity.Server())
	if err := pki.Handshake(ctx, conn); err != nil {
		return nil, nil, "", err
	}
	peer := s.cfg.Identity.Peer(conn.ConnectionState())
	channel, err := newChannel(conn)
	if err != nil {
		return nil, nil, "", err
	}
	var c net.Conn = conn
	if s.cfg.Tamper != nil {
		c = s.cfg.Tamper(c)
	}
	version, err := readPreamble(c)
	if err != nil {
		return nil, nil, "", err
	}
	if _, err := c.Write(preamble(Version)); err != nil {
		return nil, nil, "", err
	}
	if version != Version {
		return nil, nil, "", otherVersion("the source end", version)
	}
	w := newWire(c, channel, targetSide)
	h, body, err := w.read(nil)
	if err != nil {
		return nil, nil, "", err
	}
	var hi hello
	if err := unpack(h.flags, body, &hi); err != nil {
		return nil, nil, "", err
	}
	if err := hi.validate(); err != nil || h.kind != kindHello {
		return nil, nil, "", errors.Join(errForeign, err)
	}
	if !peer.Allows(hi.Job) {
		err := fault.New(fault.Link, fmt.Errorf("the certificate of the source end is for another job than %s", hi.Job), "issue one for this job: replicator keys issue --job")
		return nil, nil, "", errors.Join(err, w.send(kindWelcome, 0, 0, welcome{Refused: newFailure(err)}))
	}
	_ = raw.SetDeadline(time.Time{})
	return w, &hi, peer.String(), nil
}

// control attaches a control connection to its session and serves it to its end.
func (s *Server) control(ctx context.Context, g *errgroup.Group, w *wire, h *hello) error {
	ses, known, err := s.session(ctx, g, w, h)
	if err != nil {
		return errors.Join(err, w.send(kindWelcome, 0, 0, welcome{Refused: newFailure(err)}))
	}
	ses.attach(w)
	ses.log.Info("the source end is connected", "known", known)
	if err := w.send(kindWelcome, 0, 0, welcome{Known: known}); err != nil {
		ses.detach(w)
		return err
	}
	w.bindTo(h.Job, h.Instance)
	w.patience = silence
	err = ses.serve(w)
	ses.log.Info("the source end is disconnected")
	return err
}

// carry serves a data or follow connection within its session.
func (s *Server) carry(w *wire, h *hello) error {
	s.mu.Lock()
	ses := s.sessions[h.session()]
	s.mu.Unlock()
	if ses == nil || ses.instance != h.Instance || !ses.join(w) {
		err := errors.New("the engine's control connection is not there")
		return errors.Join(err, w.send(kindWelcome, 0, 0, welcome{Refused: &failure{Text: err.Error(), Code: fault.Link, Lost: true}}))
	}
	defer ses.leave(w)
	if err := w.send(kindWelcome, 0, 0, welcome{Known: true}); err != nil {
		return err
	}
	w.bindTo(h.Job, h.Instance)
	var err error
	ended := make(chan struct{})
	ok := ses.do(func(ctx context.Context) {
		defer close(ended)
		if h.Purpose == forFollow {
			err = ses.follow(ctx, w)
		} else {
			err = ses.chunks(ctx, w)
		}
	})
	if !ok {
		return errSessionOver
	}
	<-ended
	return err
}

// takeoverWait is how long a new engine waits for the connection of a dead one to be noticed. A live
// one keeps answering.
const takeoverWait = 20 * time.Second

// session finds the session of an engine instance or begins one. The job's older instance is ended,
// unless it is alive: then the new one is refused (invariant I11), after it was told to be patient
// over w.
func (s *Server) session(ctx context.Context, g *errgroup.Group, w *wire, h *hello) (*session, bool, error) {
	for until := time.Now().Add(takeoverWait); ; {
		s.mu.Lock()
		old := s.sessions[h.session()]
		if old == nil {
			fresh, err := s.begin(ctx, g, h)
			s.mu.Unlock()
			if err != nil {
				return nil, false, err
			}
			return fresh, false, s.resume(ctx, fresh, h)
		}
		s.mu.Unlock()
		if old.instance == h.Instance {
			return old, true, nil
		}
		if old.attached() && time.Now().Before(until) {
			if err := w.send(kindPong, 0, 0, nil); err != nil {
				return nil, false, err
			}
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-ctx.Done():
				return nil, false, ctx.Err()
			}
		}
		if old.attached() {
			return nil, false, fault.New(fault.Fenced, errors.New("another engine holds this job at the target end"), "stop it first; two engines cannot move one job")
		}
		old.retire()
		<-old.gone
	}
}

// begin makes a session and runs it; s.mu is held.
func (s *Server) begin(ctx context.Context, g *errgroup.Group, h *hello) (*session, error) {
	dsn, err := s.cfg.DSN(h.Database, h.Source)
	if err != nil {
		return nil, err
	}
	end := target.New(target.Config{DSN: dsn, Job: h.targetJob(), Scratch: h.Scratch, SearchPath: h.SearchPath, Limits: h.Limits, StepJobs: h.StepJobs, Logger: s.cfg.Logger, Hook: s.cfg.Hook})
	ses := newSession(h.Job, h.Instance, end, s.cfg.Logger)
	s.sessions[h.session()] = ses
	g.Go(func() error {
		ses.run(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.sessions[h.session()] == ses {
			delete(s.sessions, h.session())
		}
		return nil
	})
	return ses, nil
}

// resume takes up the epoch of an engine that was here before the server was started again.
func (s *Server) resume(ctx context.Context, ses *session, h *hello) error {
	if h.Epoch == 0 {
		return nil
	}
	if err := ses.end.Resume(ctx, h.Epoch); err != nil {
		ses.retire()
		<-ses.gone
		return err
	}
	return nil
}
