package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"replicator/bench/clinical"
	"replicator/bench/cluster"
	"replicator/bench/measure"
	"replicator/bench/proxy"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/check"
	"replicator/replicator/link/pki"
	"replicator/replicator/pg"
	"replicator/replicator/sizing"
	"replicator/replicator/status"
)

// settings are those of both servers: as a DBA would leave them for a move.
var settings = map[string]string{"shared_buffers": "256MB", "max_wal_size": "4GB", "maintenance_work_mem": "128MB"}

// once measures, seeds and catches up.
func once(ctx context.Context, o *options, data string, scale float64, rate, run int) (measure.Values, error) {
	dir, err := os.MkdirTemp("", "bench-sizing-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w := &world{dir: dir}
	defer w.close()
	if err := w.build(ctx, data, scale, uint64(run)); err != nil {
		return nil, err
	}
	if rate > 0 {
		if err := w.far(ctx, rate, o.delay); err != nil {
			return nil, err
		}
	}
	report, err := replicator.Bench(ctx, sizing.AllParts, sizing.Options{Source: w.source, Target: w.target, Duration: o.duration}, w.way, "")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if o.verbose {
		if err := errors.Join(report.WriteText(os.Stderr), report.WriteJSON(os.Stderr)); err != nil {
			return nil, err
		}
	}
	if report.Forecast == nil {
		return nil, errors.New("nothing was foretold")
	}
	took, open, err := w.move(ctx, o.verbose)
	if err != nil {
		return nil, err
	}
	f := report.Forecast
	return measure.Values{
		"foretold_seconds": f.SeedRange.P50, "p95_seconds": f.SeedRange.P95, "seconds": took, "off": took/f.SeedRange.P50 - 1,
		"open_foretold_seconds": f.OpenRange.P50, "open_seconds": open, "open_off": open/f.OpenRange.P50 - 1, "bench_seconds": report.Seconds,
	}, nil
}

// world is two servers, and the line between them if there is one.
type world struct {
	dir            string
	source, target string // target is "" behind a line
	targetDSN      string
	way            replicator.Link
	closers        []func()
}

func (w *world) close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
}

func (w *world) build(ctx context.Context, data string, scale float64, seed uint64) error {
	for _, dsn := range []*string{&w.source, &w.targetDSN} {
		c, err := cluster.Start(ctx, cluster.Config{Settings: settings})
		if err != nil {
			return err
		}
		w.closers = append(w.closers, func() { c.Close() })
		if *dsn, err = c.CreateDatabase(ctx, "emr"); err != nil {
			return err
		}
	}
	w.target = w.targetDSN
	switch data {
	case "clinical":
		if err := clinical.Load(ctx, w.source, clinical.Options{Scale: scale, Seed: 100 + seed}); err != nil {
			return err
		}
	case "flat":
		if err := w.sql(ctx, flat(scale)); err != nil {
			return err
		}
	default:
		return fmt.Errorf("no data set %q: there are clinical and flat", data)
	}
	if err := w.sql(ctx, "VACUUM ANALYZE; CHECKPOINT"); err != nil {
		return err
	}
	return w.mend(ctx)
}

// mend runs the SQL of what replicator check says must be fixed, as a DBA would.
func (w *world) mend(ctx context.Context) error {
	report, err := check.Run(ctx, check.Options{Source: w.source, Target: w.targetDSN})
	if err != nil {
		return err
	}
	for _, f := range report.Findings {
		if f.Level != check.Must || f.SQL == "" {
			continue
		}
		dsn := w.source
		if f.Side == check.Target {
			dsn = w.targetDSN
		}
		if err := run(ctx, dsn, f.SQL); err != nil {
			return fmt.Errorf("mend %s: %w", f.ID, err)
		}
	}
	return nil
}

// flat is a database unlike the clinical one: a long narrow table in key order, a wide one whose key is
// random, and one whose rows lie in TOAST.
func flat(scale float64) string {
	n := int(1_000_000 * scale)
	return fmt.Sprintf(`CREATE TABLE reading (id bigint PRIMARY KEY, device int NOT NULL, at timestamptz NOT NULL, v double precision, flag boolean);
		INSERT INTO reading SELECT i, i %% 977, '2020-01-01'::timestamptz + i * interval '7 s', random() * 1000, i %% 7 = 0 FROM generate_series(1, %[1]d * 4) i;
		CREATE INDEX ON reading (device, at); CREATE INDEX ON reading (at);
		CREATE TABLE person (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, address text, born date, notes text);
		INSERT INTO person (name, address, born, notes) SELECT md5(i::text), md5((i * 7)::text) || ' street ' || i, '1950-01-01'::date + i %% 20000, repeat(md5((i * 3)::text) || ' ', 8) FROM generate_series(1, %[1]d / 2) i;
		CREATE INDEX ON person (name); CREATE INDEX ON person (born);
		CREATE TABLE letter (id bigint PRIMARY KEY, person uuid, body text);
		INSERT INTO letter SELECT i, gen_random_uuid(), (SELECT string_agg(md5((i * 1000 + k)::text), ' ') FROM generate_series(1, 250) k) FROM generate_series(1, %[1]d / 50) i`, n)
}

func (w *world) sql(ctx context.Context, sql string) error {
	for _, s := range strings.Split(sql, ";") {
		if err := run(ctx, w.source, s); err != nil {
			return err
		}
	}
	return nil
}

func run(ctx context.Context, dsn, sql string) error {
	c, err := pg.Connect(ctx, pg.Config{DSN: dsn, Name: "bench", Settings: map[string]string{"search_path": "public, pg_catalog"}})
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Exec(ctx, sql)
}

// far puts the target behind a line.
func (w *world) far(ctx context.Context, mbit int, rtt time.Duration) error {
	certs := filepath.Join(w.dir, "certs")
	ca, err := pki.Create(certs, "", 0)
	if err != nil {
		return err
	}
	for _, role := range []pki.Role{pki.Source, pki.Target} {
		if _, err := ca.Issue(pki.Request{Role: role, Hosts: []string{"127.0.0.1"}}, certs); err != nil {
			return err
		}
	}
	file := func(name string) string { return filepath.Join(certs, name) }
	ctx, cancel := context.WithCancel(ctx)
	at, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- replicator.Serve(ctx, replicator.ServeOptions{Target: w.targetDSN, Listen: "127.0.0.1:0", Dir: filepath.Join(w.dir, "serve"),
			Cert: file("target.crt"), Key: file("target.key"), CA: file("ca.crt"), Listening: func(a net.Addr) { at <- a }})
	}()
	w.closers = append(w.closers, func() { cancel(); <-ended })
	var addr net.Addr
	select {
	case addr = <-at:
	case err := <-ended:
		ended <- err
		return err
	}
	line := proxy.Line{Delay: rtt / 2, Rate: int64(mbit) * 1_000_000 / 8}
	p, err := proxy.Listen(ctx, proxy.Config{Target: addr.String(), Up: line, Down: line, Buffer: 4 << 20})
	if err != nil {
		return err
	}
	w.closers = append(w.closers, p.Close)
	w.target = ""
	w.way = replicator.Link{Host: p.Addr(), Cert: file("source.crt"), Key: file("source.key"), CA: file("ca.crt")}
	return nil
}

// move seeds until it follows, then opens the target with every row compared.
func (w *world) move(ctx context.Context, verbose bool) (took, open float64, err error) {
	trackers := make(chan *status.Tracker, 1)
	o := replicator.Options{Source: w.source, Target: w.target, Link: w.way, Dir: filepath.Join(w.dir, "job"), OnTracker: func(t *status.Tracker) { trackers <- t }}
	began := time.Now()
	seeded := make(chan error, 1)
	go func() { seeded <- replicator.Seed(ctx, o) }()
	var t *status.Tracker
	select {
	case t = <-trackers:
	case err := <-seeded:
		return 0, 0, err
	}
	phase := status.Phase("")
	for phase != status.Following {
		if now := t.Status().Phase; now != phase {
			phase = now
			if verbose {
				fmt.Fprintf(os.Stderr, "%6.1f s  %s\n", time.Since(began).Seconds(), phase)
			}
		}
		select {
		case err := <-seeded:
			return 0, 0, fmt.Errorf("seed ended: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	took = time.Since(began).Seconds()
	report, err := replicator.Catchup(ctx, replicator.CatchupOptions{Dir: o.Dir, Verify: catchup.VerifyFull}, func(catchup.Event) {})
	if err != nil {
		return took, 0, errors.Join(err, <-seeded)
	}
	fenced := false
	for _, s := range report.Steps {
		if fenced = fenced || s.Name == "fence the source"; fenced {
			open += s.Seconds
		}
		if verbose {
			fmt.Fprintf(os.Stderr, "%6.2f s  %s: %s\n", s.Seconds, s.Name, s.Detail)
		}
	}
	return took, open, <-seeded
}
