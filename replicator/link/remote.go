package link

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"replicator/replicator/apply"
	"replicator/replicator/fault"
	"replicator/replicator/link/pace"
	"replicator/replicator/link/pki"
	"replicator/replicator/status"
)

// Config says where the target end is and how the way to it is used.
type Config struct {
	Address  string // host:port of replicator serve
	Identity *pki.Identity

	Job        string
	Database   string // of the target; "" leaves it to the service
	Source     string // name of the source database
	SearchPath string // see target.Config
	Limits     apply.Limits
	StepJobs   int  // see target.Config
	Scratch    bool // see target.Config

	Streams  int           // data connections; 0 is DefaultStreams
	Compress Compress      // "" is Auto
	Limiter  *pace.Limiter // nil: no cap

	Logger *slog.Logger
	Report func(status.Link)         `json:"-"` // called every second and when the link goes up or down, from one goroutine; may be nil
	Hook   func(point string)        `json:"-"` // nil, or called at dangerous instants
	Tamper func(c net.Conn) net.Conn `json:"-"` // nil, or what stands between TLS and the messages: see the fault tests
}

// DefaultStreams is enough for a link of 1 Gbit/s and 80 ms with the buffers that Linux gives a
// connection by itself (4 MiB and more), and leaves one to others when one is held up.
const DefaultStreams = 4

// Remote is the target end behind the link. It implements target.End.
type Remote struct {
	cfg      Config
	instance string
	meter    meter
	gauge    gauge
	packers  packers

	stop context.CancelFunc // ends run
	gone chan struct{}      // closed: run has ended

	data    chan *dataConn // Config.Streams of them; nil is one that is not connected
	readers sync.WaitGroup // of data connections
	epoch   atomic.Int64

	mu      sync.Mutex
	control *wire              // nil while the link is down
	carried map[*wire]struct{} // data and follow connections, which end with it
	met     bool               // the target end was reached
	sent    uint64
	waiting map[uint64]*pending
	changed chan struct{} // closed and replaced when the link goes up, or a call waits for it
	failed  chan struct{} // closed and replaced when an attempt to connect has failed
	cause   error         // of that
}

// pending is a call whose result has not come.
type pending struct {
	id    uint64
	epoch int64
	req   request
	sent  bool        // it may have begun at the target end
	done  chan result // has room for the one result
	err   chan error  // has room for the one error in its place
}

// New returns the target end of cfg. Nothing is connected before the first call. The link lives
// until Close, whatever becomes of ctx.
func New(ctx context.Context, cfg Config) (*Remote, error) {
	var id [instanceBytes]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	if cfg.Streams == 0 {
		cfg.Streams = DefaultStreams
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Hook == nil {
		cfg.Hook = func(string) {}
	}
	r := &Remote{
		cfg: cfg, instance: hex.EncodeToString(id[:]), gone: make(chan struct{}), data: make(chan *dataConn, cfg.Streams),
		carried: map[*wire]struct{}{}, waiting: map[uint64]*pending{}, changed: make(chan struct{}), failed: make(chan struct{}),
	}
	r.gauge.init(cfg.Compress)
	for range cfg.Streams {
		r.data <- nil
	}
	ctx, r.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(r.gone)
		r.run(ctx)
	}()
	return r, nil
}

// Close ends the link. What was on its way is rolled back at the target end.
func (r *Remote) Close() error {
	r.stop()
	<-r.gone
	r.readers.Wait()
	return nil
}

// errClosed ends calls of a link that is closed.
var errClosed = fault.New(fault.Link, errors.New("the link is closed"), "")

// do makes one call and waits for its result, through cuts of the link if it must.
func do[A, R any](ctx context.Context, r *Remote, method string, args A) (v R, err error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return v, fmt.Errorf("encode call: %w", err)
	}
	res, err := r.call(ctx, request{Method: method, Args: raw})
	if err == nil {
		err = res.Failure.err()
	}
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(res.Value, &v); err != nil {
		return v, errors.New("read the target end's answer: it is nothing that this version knows")
	}
	return v, nil
}

func (r *Remote) call(ctx context.Context, req request) (result, error) {
	if ctx.Err() != nil {
		return result{}, ctx.Err()
	}
	p := r.enqueue(req)
	defer r.dequeue(p)
	select {
	case res := <-p.done:
		return res, nil
	case err := <-p.err:
		return result{}, err
	case <-r.gone:
		return result{}, errClosed
	case <-ctx.Done():
		return r.canceled(ctx, p)
	}
}

// canceled tells the target end that nobody wants the call any more, and waits until it has ended
// there, as a call in the same process would; but not for a link that is down.
func (r *Remote) canceled(ctx context.Context, p *pending) (result, error) {
	r.tell(kindCancel, p.id)
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), silence)
	defer cancel()
	for {
		r.mu.Lock()
		up, changed := r.control != nil, r.changed
		r.mu.Unlock()
		if !up {
			return result{}, ctx.Err()
		}
		select {
		case <-p.done:
			return result{}, ctx.Err()
		case <-p.err:
			return result{}, ctx.Err()
		case <-changed:
		case <-r.gone:
			return result{}, ctx.Err()
		case <-wait.Done():
			return result{}, ctx.Err()
		}
	}
}

// enqueue gives a call its number and sends it, now or when the link is up.
func (r *Remote) enqueue(req request) *pending {
	p := &pending{epoch: r.epoch.Load(), req: req, done: make(chan result, 1), err: make(chan error, 1)}
	r.mu.Lock()
	r.sent++
	p.id = r.sent
	r.waiting[p.id] = p
	w := r.control
	p.sent = w != nil
	r.wake()
	r.mu.Unlock()
	if w != nil {
		_ = w.send(kindCall, p.epoch, p.id, p.req) // a broken connection shows where it is read
	}
	return p
}

// dequeue forgets a call at both ends.
func (r *Remote) dequeue(p *pending) {
	r.mu.Lock()
	delete(r.waiting, p.id)
	r.mu.Unlock()
	r.tell(kindForget, p.id)
}

// tell sends a message that needs no answer, if the link is up.
func (r *Remote) tell(kind Kind, call uint64) {
	r.mu.Lock()
	w := r.control
	r.mu.Unlock()
	if w != nil {
		_ = w.send(kind, r.epoch.Load(), call, nil)
	}
}

// wake makes waiters look again; r.mu is held.
func (r *Remote) wake() {
	close(r.changed)
	r.changed = make(chan struct{})
}
