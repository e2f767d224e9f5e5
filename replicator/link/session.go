package link

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/target"
)

// session is what the server knows of one engine instance, while its connections come and go.
type session struct {
	job, instance string
	end           *target.Local
	log           *slog.Logger
	load          load

	work    chan func(context.Context) // what run is to do
	retired chan struct{}              // closed: it is to end
	gone    chan struct{}              // closed: it has ended, and so has all that it did
	retire  func()                     // closes retired, once

	mu       sync.Mutex
	control  *wire // nil: detached
	since    time.Time
	conns    map[*wire]struct{} // data and follow connections
	calls    map[uint64]*call
	views    map[uint64]target.View
	opened   uint64           // number of the view opened last
	writers  map[chunkKey]int // chunks that are being written or committed
	left     chan struct{}    // closed and replaced when a writer leaves
	changing sync.Mutex       // one following at a time
}

// call is a call that runs, or has ended and waits until its result is known to have arrived.
type call struct {
	begun    bool // false: it was canceled before it came
	canceled bool
	cancel   context.CancelFunc // nil until it runs
	ended    bool
	result   result
}

type chunkKey struct{ table, chunk int }

func newSession(job, instance string, end *target.Local, log *slog.Logger) *session {
	s := &session{
		job: job, instance: instance, end: end, log: log.With("job", job),
		work: make(chan func(context.Context)), retired: make(chan struct{}), gone: make(chan struct{}),
		since: time.Now(), conns: map[*wire]struct{}{}, calls: map[uint64]*call{},
		views: map[uint64]target.View{}, writers: map[chunkKey]int{}, left: make(chan struct{}),
	}
	s.retire = sync.OnceFunc(func() { close(s.retired) })
	return s
}

// lease is how long a session outlives its last connection while nothing runs in it. A link that is
// cut for longer costs nothing but another takeover.
const lease = 10 * time.Minute

// run does the session's work until it is retired, its lease ends, or ctx does.
func (s *session) run(ctx context.Context) {
	defer close(s.gone)
	ctx, cancel := context.WithCancel(ctx)
	look := time.NewTicker(lease / 10)
	defer look.Stop()
	var running sync.WaitGroup
	for open := true; open; {
		select {
		case f := <-s.work:
			running.Go(func() { f(ctx) })
		case <-look.C:
			open = !s.expired()
		case <-s.retired:
			open = false
		case <-ctx.Done():
			open = false
		}
	}
	s.retire()
	cancel()
	s.hangUp()
	running.Wait()
	s.closeViews(ctx)
	if err := s.end.Close(); err != nil {
		s.log.Debug("close the target's sessions", "error", err)
	}
}

// do has run do f; false says that the session is over.
func (s *session) do(f func(context.Context)) bool {
	select {
	case s.work <- f:
		return true
	case <-s.retired:
		return false
	}
}

func (s *session) expired() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.begun && !c.ended {
			return false
		}
	}
	return s.control == nil && time.Since(s.since) > lease
}

// attach makes w the session's control connection, in the place of one that is dead or dying.
func (s *session) attach(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.control != nil {
		s.control.close()
		s.hangUpLocked()
	}
	s.control = w
}

// detach ends w, and with the control connection all the others: what they carried is rolled back and
// comes again.
func (s *session) detach(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.control == w {
		s.control, s.since = nil, time.Now()
		s.hangUpLocked()
	}
}

func (s *session) attached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.control != nil
}

func (s *session) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.control != nil {
		s.control.close()
	}
	s.hangUpLocked()
}

func (s *session) hangUpLocked() {
	for w := range s.conns {
		w.close()
	}
}

// join counts a data or follow connection in, unless the session is detached.
func (s *session) join(w *wire) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.control != nil {
		s.conns[w] = struct{}{}
	}
	return s.control != nil
}

func (s *session) leave(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, w)
}

// serve reads the control connection to its end.
func (s *session) serve(w *wire) error {
	defer s.detach(w)
	for {
		_ = w.conn.SetReadDeadline(time.Now().Add(silence))
		h, body, err := w.read(nil)
		if err != nil {
			return err
		}
		switch h.kind {
		case kindPing:
			err = w.send(kindPong, h.epoch, h.call, s.load.pulse())
		case kindCall:
			err = s.begin(w, h, body)
		case kindCancel:
			s.cancel(h.call)
		case kindForget:
			s.forget(h.call)
		default:
			err = damaged("kind %d on the control connection", h.kind)
		}
		if err != nil {
			return err
		}
	}
}

// begin starts a call, or finds the one that was started before the link broke.
func (s *session) begin(w *wire, h header, body []byte) error {
	var req request
	if err := unpack(h.flags, body, &req); err != nil {
		return err
	}
	c, fresh := s.first(h.call)
	switch {
	case fresh:
	case c == nil:
		return nil // its result goes out when it is there
	default:
		return w.send(kindResult, h.epoch, h.call, c.result)
	}
	ok := s.do(func(ctx context.Context) {
		ctx, done := s.register(ctx, h.call)
		v, err := s.answer(ctx, h.epoch, req)
		done(result{Value: v, Failure: newFailure(err)}, nil)
	})
	if !ok {
		return errSessionOver
	}
	return nil
}

var errSessionOver = fault.New(fault.Fenced, errors.New("another engine has taken over this job at the target end"),
	"stop one of the two; the one that started last owns the job")

// first notes that a call has come. It is fresh once, whatever comes twice over two connections; later
// it is nil while it runs, and then the call with its result.
func (s *session) first(id uint64) (c *call, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c = s.known(id)
	switch {
	case !c.begun:
		c.begun = true
		return c, true
	case !c.ended:
		return nil, false
	}
	return c, false
}

// known is the call of a number; s.mu is held.
func (s *session) known(id uint64) *call {
	c := s.calls[id]
	if c == nil {
		c = &call{}
		s.calls[id] = c
	}
	return c
}

// register lets a call run. done keeps its result and sends it: over w, or over the control connection
// where w is nil.
func (s *session) register(ctx context.Context, id uint64) (_ context.Context, done func(result, *wire)) {
	ctx, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	c := s.known(id)
	c.begun, c.cancel = true, cancel
	if c.canceled {
		cancel()
	}
	s.mu.Unlock()
	return ctx, func(r result, w *wire) {
		cancel()
		s.mu.Lock()
		c.ended, c.result = true, r
		if w == nil {
			w = s.control
		}
		s.mu.Unlock()
		if w != nil {
			_ = w.send(kindResult, 0, id, r) // a broken connection shows where it is read
		}
	}
}

// cancel ends a call; one that has not come yet will end as soon as it begins.
func (s *session) cancel(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.known(id)
	c.canceled = true
	if c.cancel != nil {
		c.cancel()
	}
}

func (s *session) forget(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.calls[id]; c != nil && (c.ended || !c.begun) {
		delete(s.calls, id)
	}
}

// fenced refuses what an engine sends under another epoch than the job's.
func (s *session) fenced(epoch int64) error {
	if ours := s.end.Epoch(); epoch != ours {
		return fault.New(fault.Fenced, errors.New("the epoch of the job has changed: another engine has taken it over"),
			"stop one of the two; the one that started last owns the job")
	}
	return nil
}

// answer runs a method.
func (s *session) answer(ctx context.Context, epoch int64, req request) (json.RawMessage, error) {
	m, ok := methods[req.Method]
	if !ok {
		return nil, fault.New(fault.Link, errors.New("the other side asks for something that this version does not know"), "run the same version of replicator at both sites")
	}
	if m.fenced {
		if err := s.fenced(epoch); err != nil {
			return nil, err
		}
	}
	return m.run(ctx, s, req.Args)
}
