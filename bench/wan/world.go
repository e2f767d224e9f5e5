package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"replicator/bench/measure"
	"replicator/bench/peer"
	"replicator/bench/wire"
)

// world is two sites, the wire between them, and what is to be moved.
type world struct {
	log            *slog.Logger
	dir            string // for files of tools
	program        string // replicator
	logs           string // directory for what tools say, or ""
	wire           *wire.Wire
	source, target *site
	capacity       map[int]capacity // by rate in Mbit/s

	want peer.State
	raw  int64 // bytes of all rows in COPY's binary format
	text int64 // and in its text format
}

// open makes everything, in minutes where the scale is large.
func openWorld(ctx context.Context, log *slog.Logger, o options) (w *world, err error) {
	w = &world{log: log, program: o.program, logs: o.logs, capacity: map[int]capacity{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close(context.WithoutCancel(ctx)))
		}
	}()
	if w.dir, err = os.MkdirTemp("", "replicator-wan-*"); err != nil {
		return w, err
	}
	if w.wire, err = wire.Lay(ctx); err != nil {
		return w, fmt.Errorf("lay the wire: %w", err)
	}
	if err := w.keys(ctx); err != nil {
		return w, fmt.Errorf("make certificates: %w", err)
	}
	if w.source, err = startSite(ctx, w.wire.Source, wire.SourceIP, !o.fast); err != nil {
		return w, err
	}
	if w.target, err = startSite(ctx, w.wire.Target, wire.TargetIP, !o.fast); err != nil {
		return w, err
	}
	log.Info("load the source", "scale", o.scale)
	if err := peer.Hospital(ctx, &w.source.Server, sourceDB, o.scale); err != nil {
		return w, fmt.Errorf("load the source: %w", err)
	}
	return w, w.look(ctx)
}

// look takes down what the source has, and gives the target its roles.
func (w *world) look(ctx context.Context) (err error) {
	if w.want, err = peer.ReadState(ctx, &w.source.Server, sourceDB); err != nil {
		return err
	}
	if w.raw, err = peer.RowBytes(ctx, &w.source.Server, sourceDB, "binary"); err != nil {
		return err
	}
	if w.text, err = peer.RowBytes(ctx, &w.source.Server, sourceDB, "text"); err != nil {
		return err
	}
	return peer.CarryRoles(ctx, &peer.Tool{}, &w.source.Server, &w.target.Server, filepath.Join(w.dir, "roles.sql"))
}

// sourceDB is the database that is moved.
const sourceDB = "clinic"

// probes are tries to fill the wire; the best counts, the others met something else that ran.
const probes = 3

// lay sets the wire's rate and returns it with a distance.
func (w *world) lay(ctx context.Context, l wire.Link) (*wire.Link, error) {
	l.Wire = w.wire
	if err := w.wire.Shape(ctx, l.Mbit); err != nil {
		return nil, err
	}
	if _, known := w.capacity[l.Mbit]; !known {
		for range probes {
			c, err := probe(ctx, w.wire)
			if err != nil {
				return nil, err
			}
			if c.frames > w.capacity[l.Mbit].frames {
				w.capacity[l.Mbit] = c
			}
		}
	}
	return &l, nil
}

// fact tells what must be known about the wire to judge shares of it.
func (c capacity) fact(g *measure.Group) {
	g.Fact("wire capacity", "%.2f MB/s of TCP payload, %.2f MB/s with headers; shares of the wire are of the latter", c.payload/1e6, c.frames/1e6)
}

func (w *world) close(ctx context.Context) error {
	var errs []error
	for _, s := range []*site{w.source, w.target} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	if w.wire != nil {
		errs = append(errs, w.wire.Remove(ctx))
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}
