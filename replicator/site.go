package replicator

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/link"
	"replicator/replicator/link/pace"
	"replicator/replicator/link/pki"
	"replicator/replicator/status"
	"replicator/replicator/target"
)

// Link says how a target end at another site is reached. Without a Host the target end is in this
// process, and nothing else of it counts.
type Link struct {
	Host     string // host:port of replicator serve
	Database string // of the target; "" is the service's own, or where it has none the source's name
	Cert     string // files: our certificate, of role source, its key, and the CA of the other side's
	Key      string
	CA       string

	Streams  int    // data connections; 0 is link.DefaultStreams
	Compress string // as link.ParseCompress has it
	MaxRate  string // as pace.Parse has it; "" is what was set last, or no cap
}

// reach is the part of a Link that a job keeps: how to find the target end, not how to use the way.
type reach struct {
	Host     string `json:"host"`
	Database string `json:"database,omitempty"`
	Cert     string `json:"cert"`
	Key      string `json:"key"`
	CA       string `json:"ca"`
}

func (l *Link) reach() reach { return reach{l.Host, l.Database, l.Cert, l.Key, l.CA} }

// orStored fills in what this run does not name.
func (l *Link) orStored(r reach) {
	for _, f := range []struct {
		to   *string
		from string
	}{{&l.Host, r.Host}, {&l.Database, r.Database}, {&l.Cert, r.Cert}, {&l.Key, r.Key}, {&l.CA, r.CA}} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
}

// validate checks what can be checked without a connection.
func (l *Link) validate(target string) error {
	if _, err := link.ParseCompress(l.Compress); err != nil {
		return err
	}
	if _, err := pace.Parse(l.MaxRate); err != nil {
		return fmt.Errorf("--max-rate: %w", err)
	}
	switch {
	case l.Streams < 0 || l.Streams > mostStreams:
		return fmt.Errorf("--streams takes a number from 1 to %d", mostStreams)
	case l.Host != "" && target != "":
		return fmt.Errorf("--target and --target-host exclude each other: the target end is in this process, or behind the link")
	}
	return nil
}

// mostStreams is beyond what any link needs.
const mostStreams = 64

// jobName is what a job may be called: it stands in names of sessions, markers and certificates.
var jobName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)

func validJob(name string) error {
	if name != "" && !jobName.MatchString(name) {
		return fmt.Errorf("--job takes up to 32 small letters, digits, - and _")
	}
	return nil
}

// openEnd makes the target end: the only place that knows where it is.
func (j *job) openEnd(ctx context.Context) error {
	if j.o.Link.Host == "" {
		j.end = target.New(target.Config{
			DSN: j.o.Target, Job: j.rec.Job, SearchPath: j.rec.SearchPath, Limits: j.o.Limits, StepJobs: j.o.IndexJobs,
			Logger: j.log, Hook: j.o.Hook,
		})
		return nil
	}
	if err := j.recallSettings(); err != nil {
		return err
	}
	id, err := pki.Load(pki.Files{Cert: j.o.Link.Cert, Key: j.o.Link.Key, CA: j.o.Link.CA}, pki.Source)
	if err != nil {
		return err
	}
	if w := id.Warn(time.Now()); w != "" {
		j.log.Warn(w)
	}
	if j.limiter, err = j.newLimiter(); err != nil {
		return err
	}
	compress, err := link.ParseCompress(j.o.Link.Compress)
	if err != nil {
		return fault.New(fault.Usage, err, "")
	}
	j.remote, err = link.New(ctx, link.Config{
		Address: j.o.Link.Host, Identity: id, Job: j.rec.Job, Database: j.o.Link.Database, Source: j.rec.Database, SearchPath: j.rec.SearchPath, Limits: j.o.Limits,
		StepJobs: j.o.IndexJobs, Streams: j.o.Link.Streams, Compress: compress, Limiter: j.limiter, Logger: j.log, Hook: j.o.Hook, Tamper: j.o.Tamper,
		Report: func(l status.Link) { j.tracker.Update(func(s *status.Status) { s.Link = &l }) },
	})
	j.end = j.remote
	return err
}
