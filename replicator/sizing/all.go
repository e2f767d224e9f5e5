package sizing

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
	"replicator/replicator/target"
)

// Part is what is measured.
type Part string

// The parts.
const (
	SourcePart  Part = "source"
	TargetPart  Part = "target"
	NetworkPart Part = "network"
	PathPart    Part = "path"
	AllParts    Part = "all"
)

// Shares of the time when all parts are measured.
const (
	sourceShare  = 0.15
	networkShare = 0.15
	targetShare  = 0.12
	pathShare    = 0.55
)

// grace is how much longer than its time a measurement may take before it is ended with what it has:
// what was begun is finished first, and a slow link takes long for that.
const grace = 2

// settling is for what takes its time whatever --duration says: the wait for a lock, a removal.
const settling = 30 * time.Second

// Run measures a part, or all. What it made is removed whatever happens. A report comes also with an
// error, as far as it got, unless nothing was measured.
func Run(ctx context.Context, part Part, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := o.need(part == SourcePart || part == PathPart || part == AllParts, part != SourcePart && part != NetworkPart); err != nil {
		return nil, err
	}
	if part == NetworkPart && o.Link == nil {
		return nil, errNoLink
	}
	began := time.Now()
	r := &Report{Version: ReportVersion, Tool: catchup.Tool(), Made: began.UTC(),
		Chosen: Chosen{Jobs: o.Jobs, IndexJobs: o.IndexJobs, CPUs: runtime.NumCPU()}}
	limit := grace*o.Duration + o.Watch + settling
	bounded, cancel := context.WithTimeoutCause(ctx, limit, errTooSlow)
	defer cancel()
	err := o.run(bounded, part, r)
	r.Seconds = time.Since(began).Seconds()
	if err != nil && ctx.Err() != nil {
		return r, fault.New(fault.Interrupted, errors.New("told to stop; nothing is left behind"), "")
	}
	if err != nil && errors.Is(context.Cause(bounded), errTooSlow) && r.measured() {
		r.note("the time was over before everything was measured: give more by --duration")
		err = nil
	}
	if err == nil {
		o.conclude(r, time.Now())
		o.keep(r)
	}
	return r, err
}

var errNoLink = fault.New(fault.Usage, errors.New("--target-host is missing"), "the network is measured to replicator serve at the target's site")

var errTooSlow = errors.New("the measurement took too long")

// measured reports whether there is anything to tell.
func (r *Report) measured() bool {
	return r.Path != nil && len(r.Path.Kinds) > 0 || r.Network != nil && len(r.Network.Up) > 0 ||
		r.Source != nil && len(r.Source.Kinds) > 0 || r.Target != nil && len(r.Target.Write) > 0
}

func (o *Options) run(ctx context.Context, part Part, r *Report) error {
	has := func(p Part) bool { return part == p || part == AllParts }
	span := func(share float64) time.Duration {
		if part != AllParts {
			share = 0.9
		}
		return time.Duration(share * float64(o.Duration))
	}
	var c *catalog
	if o.Source != "" && part != TargetPart {
		var err error
		if c, err = o.openSource(ctx); err != nil {
			return err
		}
		defer c.close()
	}
	if has(TargetPart) || has(PathPart) {
		if err := o.reach(ctx, c); err != nil {
			return err
		}
	}
	if has(SourcePart) {
		if err := o.measureSource(ctx, c, r, span(sourceShare)); err != nil {
			return err
		}
		if o.Watch > 0 {
			if err := o.watch(ctx, c, r.Source); err != nil {
				return err
			}
		}
	}
	if has(NetworkPart) && o.Link != nil {
		if err := o.network(ctx, c, r, span(networkShare)); err != nil {
			return err
		}
	}
	if !has(TargetPart) && !has(PathPart) {
		return nil
	}
	return o.onTarget(ctx, part, c, r, span)
}

func (o *Options) network(ctx context.Context, c *catalog, r *Report, span time.Duration) error {
	var rows []rowSample
	if c != nil {
		var err error
		if rows, err = c.rowSamples(ctx); err != nil {
			return err
		}
	}
	return o.measureNetwork(ctx, rows, r, span)
}

// onTarget does what takes the scratch schema, and removes that.
func (o *Options) onTarget(ctx context.Context, part Part, c *catalog, r *Report, span func(float64) time.Duration) (err error) {
	path := ""
	if c != nil {
		path = c.path
	}
	s, err := o.openScratch(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx)) }()
	if part == TargetPart || part == AllParts {
		if err := o.measureTarget(ctx, s, r, span(targetShare)); err != nil {
			return targetError(err)
		}
	}
	if part == PathPart || part == AllParts {
		if err := o.measurePath(ctx, c, s, r, span(pathShare)); err != nil {
			return targetError(err)
		}
	}
	return nil
}

// reach makes the scratch schema and removes it again: what the target refuses is better known before the
// source is read for minutes, or watched for a day.
func (o *Options) reach(ctx context.Context, c *catalog) error {
	o.Tell("the target: whether it can be reached, and what we may do there")
	s, err := o.openScratch(ctx, "")
	if err != nil {
		return targetError(err)
	}
	if c != nil {
		err = c.elsewhere(ctx)
	}
	return errors.Join(err, s.close(ctx))
}

// elsewhere refuses a target that is the source itself, where the scratch schema is seen now. System
// identifiers tell less: a copy of the server's files has the same.
func (c *catalog) elsewhere(ctx context.Context) error {
	seen, err := c.conn.Value(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", target.ScratchSchema)
	if err != nil {
		return fault.New(fault.Source, err, "")
	}
	if seen == "t" {
		return fault.New(fault.Preflight, errors.New("source and target are the same database"), "look at --source and --target")
	}
	return nil
}

// targetError gives an error that has no code the target's: the source's and the link's have theirs.
func targetError(err error) error {
	if fault.CodeOf(err) != fault.Unexpected || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fault.New(fault.Target, fmt.Errorf("on the target: %w", err), "")
}

// seen is what the link said last of itself.
func (s *scratch) seen() status.Link {
	if s.last == nil {
		return status.Link{}
	}
	if l := s.last.Load(); l != nil {
		return *l
	}
	return status.Link{}
}
