package replicator_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/control"
	"replicator/replicator/fault"
	"replicator/replicator/link"
	"replicator/replicator/link/pki"
	"replicator/replicator/status"
)

// A certificate for one job is held against the name before anything is kept; where none is given the
// job takes the certificate's. So a first attempt that was refused is simply given again.
func TestCertificateNamesTheJob(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE a (id int PRIMARY KEY)")
	bound := boundToJob(t, "lab")
	p.o.Target = ""
	p.o.Link = replicator.Link{Host: bound.serve(t, p.target), Cert: bound.file("source.crt"), Key: bound.file("source.key"), CA: bound.file("ca.crt")}
	other := p.o
	other.Name = "emr"
	err := replicator.Seed(t.Context(), other)
	if fault.CodeOf(err) != fault.Link || !strings.Contains(err.Error(), "for lab") || !strings.Contains(fault.HintOf(err), "--job emr") {
		t.Errorf("another job: %v (hint: %s)", err, fault.HintOf(err))
	}
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	if s, err := replicator.ReadStatus(t.Context(), p.o.Dir, ""); err != nil || s.Job != "lab" {
		t.Errorf("job %q, %v; want lab", s.Job, err)
	}
	if err := control.Client(p.o.Dir).Set(t.Context(), "max-rate", ""); fault.CodeOf(err) != fault.Usage {
		t.Errorf("a rate that is nothing was set: %v", err)
	}
}

// The target end holds the certificate against the job, too, whatever the source end makes of it.
func TestServiceRefusesAnotherJob(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	bound := boundToJob(t, "lab")
	id, err := pki.Load(pki.Files{Cert: bound.file("source.crt"), Key: bound.file("source.key"), CA: bound.file("ca.crt")}, pki.Source)
	if err != nil {
		t.Fatal(err)
	}
	r, err := link.New(t.Context(), link.Config{Address: bound.serve(t, p.target), Identity: id, Job: "emr", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Open(t.Context(), true); fault.CodeOf(err) != fault.Link || !strings.Contains(err.Error(), "another job") {
		t.Errorf("opened with a certificate for another job: %v", err)
	}
}

// What is missing from the command line is a mistake there, not one of the link, and keeps nothing.
func TestLinkNeedsItsFlags(t *testing.T) {
	c := newCertificates(t)
	whole := replicator.Link{Host: "new.example:7432", Cert: c.file("source.crt"), Key: c.file("source.key"), CA: c.file("ca.crt")}
	for name, tc := range map[string]struct {
		change func(*replicator.Link)
		want   string
	}{
		"no port":      {func(l *replicator.Link) { l.Host = "new.example" }, "--target-host"},
		"no such port": {func(l *replicator.Link) { l.Host = "new.example:99999" }, "--target-host"},
		"no cert":      {func(l *replicator.Link) { l.Cert = "" }, "--cert"},
		"no key":       {func(l *replicator.Link) { l.Key = "" }, "--key"},
		"no CA":        {func(l *replicator.Link) { l.CA = "" }, "--ca"},
	} {
		o := replicator.Options{Source: "host=/nowhere dbname=emr", Dir: filepath.Join(t.TempDir(), "job"), Link: whole}
		tc.change(&o.Link)
		err := replicator.Seed(t.Context(), o)
		if fault.CodeOf(err) != fault.Usage || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want a usage error about %s", name, err, tc.want)
		}
		if _, err := replicator.ReadStatus(t.Context(), o.Dir, ""); err == nil {
			t.Errorf("%s: a job is begun", name)
		}
	}
}

func TestServeNeedsItsFlags(t *testing.T) {
	c := newCertificates(t)
	whole := replicator.ServeOptions{Target: "host=/nowhere", Listen: "127.0.0.1:0", Dir: filepath.Join(t.TempDir(), "serve"),
		Cert: c.file("target.crt"), Key: c.file("target.key"), CA: c.file("ca.crt")}
	for name, tc := range map[string]struct {
		change func(*replicator.ServeOptions)
		want   string
	}{
		"a port alone": {func(o *replicator.ServeOptions) { o.Listen = "7432" }, "--listen"},
		"no such port": {func(o *replicator.ServeOptions) { o.Listen = ":99999" }, "--listen"},
		"no target":    {func(o *replicator.ServeOptions) { o.Target = "" }, "--target"},
		"no cert":      {func(o *replicator.ServeOptions) { o.Cert = "" }, "--cert"},
		"no CA":        {func(o *replicator.ServeOptions) { o.CA = "" }, "--ca"},
	} {
		o := whole
		tc.change(&o)
		if err := replicator.Serve(t.Context(), o); fault.CodeOf(err) != fault.Usage || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want a usage error about %s", name, err, tc.want)
		}
	}
}

// A --target that lets nobody in is told of at the target's site, and does not keep the service from
// waiting for its server.
func TestServeWarnsOfItsTarget(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	c := newCertificates(t)
	for target, warns := range map[string]bool{p.target: false, "host=" + t.TempDir() + " dbname=emr user=nobody": true, "host=" + t.TempDir(): false} {
		var log bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		err := replicator.Serve(ctx, replicator.ServeOptions{
			Target: target, Listen: "127.0.0.1:0", Dir: filepath.Join(t.TempDir(), "serve"),
			Cert: c.file("target.crt"), Key: c.file("target.key"), CA: c.file("ca.crt"),
			Logger: slog.New(slog.NewTextHandler(&log, nil)), Listening: func(net.Addr) { stop() },
		})
		if fault.CodeOf(err) != fault.Interrupted {
			t.Errorf("service ended with %v", err)
		}
		if got := strings.Contains(log.String(), "does not let us in"); got != warns {
			t.Errorf("warned %v, want %v:\n%s", got, warns, log.String())
		}
	}
}
