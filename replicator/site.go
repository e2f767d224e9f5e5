package replicator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/link"
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
	switch {
	case l.Streams < 0 || l.Streams > mostStreams:
		return fmt.Errorf("--streams takes a number from 1 to %d", mostStreams)
	case l.Host != "" && target != "":
		return fmt.Errorf("--target and --target-host exclude each other: the target end is in this process, or behind the link")
	case l.Host != "":
		return hostPort("target-host", l.Host, "new.example:7432")
	}
	return nil
}

// hostPort checks that v has a port, and one that there can be.
func hostPort(flag, v, example string) error {
	_, port, err := net.SplitHostPort(v)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("--%s takes a host and a port, as in %s", flag, example)
	}
	return nil
}

// given says that a certificate is needed and which file of it no flag names; it is of code
// fault.Usage, as what is in the files is not.
func given(f pki.Files) error {
	for _, file := range []struct{ flag, path string }{{"cert", f.Cert}, {"key", f.Key}, {"ca", f.CA}} {
		if file.path == "" {
			return fault.New(fault.Usage, fmt.Errorf("--%s is missing: both ends of the link show certificates", file.flag),
				"give --cert, --key and --ca, which replicator keys makes or your own PKI")
		}
	}
	return nil
}

// identity loads our certificate and holds it against the job's name, before the target end does and
// before anything is kept of a new job.
func (l *Link) identity(job string) (*pki.Identity, error) {
	files := pki.Files{Cert: l.Cert, Key: l.Key, CA: l.CA}
	if err := given(files); err != nil {
		return nil, err
	}
	id, err := pki.Load(files, pki.Source)
	if err != nil {
		return nil, err
	}
	if job != "" && len(id.Jobs) > 0 && !slices.Contains(id.Jobs, job) {
		return nil, fault.New(fault.Link, fmt.Errorf("certificate %s is for another job than %s: for %s", l.Cert, job, strings.Join(id.Jobs, ", ")),
			"issue one for this job: replicator keys issue --role source --job "+job)
	}
	return id, nil
}

// nameJob is the name of a new job to another site: as it was given, or else the one that the
// certificate is for, or "" where it is for every job.
func (l *Link) nameJob(name string) (string, error) {
	id, err := l.identity(name)
	switch {
	case err != nil:
		return "", err
	case name != "" || len(id.Jobs) == 0:
		return name, nil
	case len(id.Jobs) > 1:
		return "", fault.New(fault.Usage, errors.New("--job is missing: the certificate is for several jobs"), "give one of "+strings.Join(id.Jobs, ", "))
	}
	return id.Jobs[0], nil
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
func (j *job) openEnd(ctx context.Context) (err error) {
	if err := j.recallSettings(); err != nil {
		return err
	}
	if j.limiter, err = j.newLimiter(); err != nil {
		return err
	}
	if j.o.Link.Host == "" {
		j.end = target.New(target.Config{
			DSN: j.o.Target, Job: j.rec.Job, SearchPath: j.rec.SearchPath, Limits: j.o.Limits, StepJobs: j.o.IndexJobs,
			Logger: j.log, Hook: j.o.Hook,
		})
		j.tracker.Capped(j.limiter.Rate)
		return nil
	}
	id, err := j.o.Link.identity(j.rec.Job)
	if err != nil {
		return err
	}
	if w := id.Warn(time.Now()); w != "" {
		j.log.Warn(w)
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
