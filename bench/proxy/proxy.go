package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

// DefaultBuffer holds half a second of a line of 1 Gbit/s.
const DefaultBuffer = 64 << 20

// Line is one direction.
type Line struct {
	Delay time.Duration
	Rate  int64 // bytes per second, of all connections together; 0: as fast as it goes
}

// Config says what to stand in front of.
type Config struct {
	Listen   string // "": a free port of 127.0.0.1
	Target   string // host:port
	Up, Down Line
	// Buffer bounds the bytes that a connection has under way in one direction. Delay times
	// throughput must fit into it. 0: DefaultBuffer.
	Buffer int
	Seed   uint64 // which connections are hit; the same seed hits the same ones
	// Dial connects to the target, where that takes more than a dialer (another network
	// namespace); nil: it does not.
	Dial func(ctx context.Context, address string) (*net.TCPConn, error)
}

func (cfg *Config) defaults() error {
	if cfg.Target == "" && cfg.Dial == nil {
		return errors.New("proxy: no target")
	}
	if cfg.Up.Delay < 0 || cfg.Down.Delay < 0 || cfg.Up.Rate < 0 || cfg.Down.Rate < 0 || cfg.Buffer < 0 {
		return errors.New("proxy: delay, rate and buffer must not be negative")
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Buffer == 0 {
		cfg.Buffer = DefaultBuffer
	}
	if cfg.Dial == nil {
		cfg.Dial = dial
	}
	return nil
}

// Proxy runs from Listen to Close. Its methods may be called from any goroutine.
type Proxy struct {
	cfg   Config
	ln    *net.TCPListener
	stop  context.CancelFunc
	done  <-chan struct{} // closed by stop
	work  sync.WaitGroup
	paces [2]pace // by Direction

	mu     sync.Mutex
	closed bool
	state  state
	rng    *rand.Rand
	conns  []*conn
	ways   [2]way // by Direction
	drop   drop
	count  Counters // without what conns and ways know
}

// Listen starts a proxy, which runs until Close, or until ctx ends and then Close.
func Listen(ctx context.Context, cfg Config) (*Proxy, error) {
	if err := cfg.defaults(); err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	p := &Proxy{
		cfg: cfg, ln: ln.(*net.TCPListener), stop: stop, done: ctx.Done(),
		rng:   rand.New(rand.NewPCG(cfg.Seed, 0)),
		paces: [2]pace{Up: {rate: cfg.Up.Rate}, Down: {rate: cfg.Down.Rate}},
	}
	p.work.Go(func() { p.accept(ctx) })
	p.work.Go(func() { p.shut(ctx) })
	return p, nil
}

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Close closes everything and returns when no goroutine of the proxy is left. It may be called twice.
func (p *Proxy) Close() {
	p.stop()
	p.work.Wait()
}

// shut closes listener and connections when ctx ends.
func (p *Proxy) shut(ctx context.Context) {
	<-ctx.Done()
	_ = p.ln.Close() // nothing was written
	p.mu.Lock()
	p.closed = true
	conns := slices.Clone(p.conns)
	p.mu.Unlock()
	for _, c := range conns {
		c.hangUp()
	}
}

func (p *Proxy) accept(ctx context.Context) {
	for {
		client, err := p.ln.AcceptTCP()
		if ctx.Err() != nil {
			if err == nil {
				_ = client.Close()
			}
			return
		}
		if err != nil { // out of descriptors, or the client has left already
			wait(p.done, time.Now().Add(10*time.Millisecond))
			continue
		}
		p.work.Go(func() { p.serve(ctx, client) })
	}
}

// serve carries one connection to its end.
func (p *Proxy) serve(ctx context.Context, client *net.TCPConn) {
	c := newConn(p, client)
	if !p.admit(c) {
		c.hangUp()
		return
	}
	defer p.forget(c)
	if c.isSilent() { // made while the line was half-open: the target never hears of it
		c.run(client, nil)
		return
	}
	target, err := p.cfg.Dial(ctx, p.cfg.Target)
	if err != nil {
		c.reset()
		return
	}
	c.join(target)
	c.run(client, target)
}

// dialTimeout is for targets that swallow packets.
const dialTimeout = 10 * time.Second

func dial(ctx context.Context, address string) (*net.TCPConn, error) {
	nc, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return nc.(*net.TCPConn), nil
}
