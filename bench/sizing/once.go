package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"replicator/bench/measure"
	"replicator/bench/peer"
	"replicator/replicator"
	"replicator/replicator/catchup"
	"replicator/replicator/control"
	"replicator/replicator/sizing"
	"replicator/replicator/sizing/forecast"
	"replicator/replicator/status"
)

// once measures, seeds and catches up.
func (o *options) once(ctx context.Context, data string, scale float64, rate, run int) (v measure.Values, err error) {
	w, err := o.open(ctx, data, scale, rate, run)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	report, err := w.foretell(ctx)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	f := report.Forecast
	took, open, err := w.move(ctx, f.Window.Steps())
	if err != nil {
		return nil, err
	}
	return measure.Values{
		"foretold_seconds": f.SeedRange.P50, "p95_seconds": f.SeedRange.P95, "seconds": took, "off": took/f.SeedRange.P50 - 1,
		"open_foretold_seconds": f.OpenRange.P50, "open_seconds": open, "open_off": open/f.OpenRange.P50 - 1, "bench_seconds": report.Seconds,
	}, nil
}

// foretell runs replicator bench all.
func (w *world) foretell(ctx context.Context) (*sizing.Report, error) {
	args := append([]string{w.program, "bench", "all", "--json", "--duration", w.duration.String()}, w.sides()...)
	cmd := peer.Command(ctx, w.place(), args...)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, peer.Tail(said.String()))
	}
	var r sizing.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return nil, err
	}
	if r.Forecast == nil {
		return nil, errors.New("nothing was foretold")
	}
	if !w.verbose {
		return &r, nil
	}
	_, err := out.WriteTo(os.Stderr)
	return &r, errors.Join(err, r.WriteText(os.Stderr))
}

// move seeds until it follows, then opens the target with every row compared. foretold are the steps of that.
func (w *world) move(ctx context.Context, foretold []forecast.WindowStep) (took, open float64, err error) {
	dir := filepath.Join(w.dir, "job")
	began := time.Now()
	engine, err := w.tool.Start(ctx, w.place(), append([]string{w.program, "seed", "--dir", dir}, w.sides()...)...)
	if err != nil {
		return 0, 0, err
	}
	if err := w.follows(ctx, engine, dir, began); err != nil {
		return 0, 0, errors.Join(err, engine.Stop())
	}
	took = time.Since(began).Seconds()
	report, err := replicator.Catchup(ctx, replicator.CatchupOptions{Dir: dir, Verify: catchup.VerifyFull}, func(catchup.Event) {})
	if err != nil {
		return took, 0, errors.Join(err, engine.Stop())
	}
	if open, err = w.beside(foretold, report); err != nil {
		return took, 0, errors.Join(err, engine.Stop())
	}
	return took, open, engine.Wait()
}

// beside shows what each step took beside what was foretold of it, and sums them up.
func (w *world) beside(foretold []forecast.WindowStep, r *catchup.Report) (open float64, err error) {
	first := slices.IndexFunc(r.Steps, func(s catchup.Step) bool { return s.Name == foretold[0].Name })
	if first < 0 || len(r.Steps)-first != len(foretold) {
		return 0, errors.New("the catch-up has other steps than were foretold")
	}
	w.tell("%-24s %8s %8s", "step", "foretold", "took")
	for i, s := range r.Steps[first:] {
		if s.Name != foretold[i].Name {
			return 0, fmt.Errorf("step %q was not foretold", s.Name)
		}
		open += s.Seconds
		w.tell("%-24s %6.2f s %6.2f s  %s", s.Name, foretold[i].Seconds, s.Seconds, s.Detail)
	}
	return open, nil
}

func (w *world) tell(format string, args ...any) {
	if w.verbose {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	}
}

// follows returns when the target follows.
func (w *world) follows(ctx context.Context, engine *peer.Daemon, dir string, began time.Time) error {
	last := status.Phase("")
	return peer.Until(ctx, 20*time.Millisecond, func() (bool, error) {
		if err := engine.Ended(); err != nil {
			return false, err
		}
		s, err := control.Client(dir).Status(ctx)
		if err != nil {
			return false, nil //nolint:nilerr // it has only begun; its end is noticed above
		}
		if s.Phase != last {
			last = s.Phase
			w.tell("%6.1f s  %s", time.Since(began).Seconds(), last)
		}
		return last == status.Following, nil
	})
}
