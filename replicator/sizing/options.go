package sizing

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/link"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/sizing/forecast"
)

// Options say what is measured and how long.
type Options struct {
	Source string       // DSN
	Target string       // DSN, where the target is reached from here
	Link   *link.Config // the way to replicator serve, where it is not; Job, Identity and Address are set

	Select    schema.Selection
	NoKey     string // see seed
	Jobs      int    // sessions that will copy; 0 is seed's default
	IndexJobs int    // 0 is like Jobs
	Dir       string // state directory that the job will have, for what --watch keeps; may be ""

	Duration time.Duration   // for everything together; 0 is DefaultDuration
	Watch    time.Duration   // how long changes on the source are counted; 0 is a short look
	Night    *forecast.Night // nil: no deadlines

	Logger *slog.Logger      `json:"-"`
	Tell   func(what string) `json:"-"` // called as parts begin, from one goroutine; may be nil
}

// DefaultDuration is long enough for rates that hold and short enough for a cup of coffee.
const DefaultDuration = 5 * time.Minute

// shortest is what a measurement needs at least.
const shortest = 5 * time.Second

// mostJobs is seed's default.
const mostJobs = 4

// Validate fills in the defaults; its errors are of code fault.Usage.
func (o *Options) Validate() error {
	if o.Jobs == 0 {
		o.Jobs = min(runtime.NumCPU(), mostJobs)
	}
	if o.IndexJobs == 0 {
		o.IndexJobs = o.Jobs
	}
	if o.Duration == 0 {
		o.Duration = DefaultDuration
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Tell == nil {
		o.Tell = func(string) {}
	}
	var errs []error
	if o.Jobs < 1 || o.IndexJobs < 1 {
		errs = append(errs, errors.New("--jobs and --index-jobs must be at least 1"))
	}
	if o.Duration < shortest {
		errs = append(errs, fmt.Errorf("--duration must be at least %s", shortest))
	}
	if o.Watch < 0 {
		errs = append(errs, errors.New("--watch must not be negative"))
	}
	if o.Target != "" && o.Link != nil {
		errs = append(errs, errors.New("--target and --target-host exclude each other"))
	}
	for _, d := range []struct{ flag, dsn string }{{"source", o.Source}, {"target", o.Target}} {
		if d.dsn == "" {
			continue
		}
		if _, err := pg.ParseDSN(d.dsn); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", d.flag, err))
		}
	}
	return fault.New(fault.Usage, errors.Join(errs...), "see replicator bench --help")
}

// need says that a part cannot be measured without one of the sides.
func (o *Options) need(source, target bool) error {
	switch {
	case source && o.Source == "":
		return fault.New(fault.Usage, errors.New("--source is missing"), "give it, or set REPLICATOR_SOURCE")
	case target && o.Target == "" && o.Link == nil:
		return fault.New(fault.Usage, errors.New("--target or --target-host is missing"), "give one, or set REPLICATOR_TARGET or REPLICATOR_TARGET_HOST")
	}
	return nil
}
