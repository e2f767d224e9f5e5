package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"replicator/replicator/fault"
)

func demoCommand() command {
	return command{
		name:  "demo",
		short: "a whole move between two throw-away servers, under load",
		long: `
Starts two PostgreSQL servers on this machine, fills one with a made-up hospital database, lets wards
write to it, and moves it to the other: check, seed, follow, rehearsal, catch-up, report. Takes one
to two minutes and removes everything but the reports. Needs the server and client programs of
PostgreSQL (Debian: postgresql) and, run as root, the OS user postgres.`,
		examples: `
replicator demo
replicator demo --scale 0.5 --dir /tmp/demo
replicator demo --keep          # leaves the servers up to look around, until Ctrl-C`,
		define: defineDemo,
	}
}

func defineDemo(a *app, f *pflag.FlagSet) action {
	d := &demo{a: a}
	f.Float64Var(&d.scale, "scale", 0.05, "`size` of the database; 1 is about 1.5 GB")
	f.BoolVar(&d.keep, "keep", false, "leave servers and job until Ctrl-C")
	f.StringVar(&d.dir, "dir", "", "`directory` for reports and log (default a new one among the temporary files)")
	return func(ctx context.Context, _ []string) error {
		if d.scale < 0 || d.scale > 100 {
			return usage("--scale takes a number from 0 to 100", "see replicator demo --help")
		}
		return d.run(ctx)
	}
}

// demo is one run of it.
type demo struct {
	a     *app
	scale float64
	keep  bool
	dir   string

	began  time.Time
	out    io.Writer // where the story is told
	log    *slog.Logger
	jobDir string // state directory of the job
	hospital
}

// run tells the story from the beginning to the end.
func (d *demo) run(ctx context.Context) error {
	d.began, d.out = time.Now(), d.a.stdout
	if d.a.json {
		d.out = d.a.stderr // stdout is for the report
	}
	logFile, err := d.makeDir()
	if err != nil {
		return fault.New(fault.Store, fmt.Errorf("make the demo's directory: %w", err), "give another by --dir")
	}
	defer logFile.Close()
	d.log = slog.New(newTextHandler(logFile, slog.LevelDebug))
	defer d.hospital.close()
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	if err := d.move(ctx); err != nil {
		d.tell("The engine's log is %s", logFile.Name())
		d.linger(ctx)
		return err
	}
	return nil
}

// linger leaves everything up with --keep, also after a failure.
func (d *demo) linger(ctx context.Context) {
	if !d.keep {
		return
	}
	d.tell("old server: %s", d.sourceDSN)
	d.tell("new server: %s", d.targetDSN)
	d.tell("state:      %s", d.jobDir)
	d.tell("Ctrl-C removes them.")
	<-ctx.Done()
}

func (d *demo) makeDir() (log *os.File, err error) {
	if d.dir == "" {
		d.dir, err = os.MkdirTemp("", "replicator-demo-")
	} else {
		err = os.MkdirAll(d.dir, 0o700)
	}
	if err != nil {
		return nil, err
	}
	if d.jobDir, err = os.MkdirTemp(d.dir, "job-"); err != nil { // never an older run's
		return nil, err
	}
	return os.OpenFile(filepath.Join(d.dir, "engine.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
}

// chapter begins a step; tell adds to it.
func (d *demo) chapter(format string, args ...any) {
	fmt.Fprintf(d.out, "\n%4.0f s  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

func (d *demo) tell(format string, args ...any) {
	fmt.Fprintf(d.out, "        %s\n", fmt.Sprintf(format, args...))
}
