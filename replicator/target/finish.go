package target

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/apply"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// Follow implements End.
func (l *Local) Follow(ctx context.Context, cfg FollowConfig, src apply.Source) (apply.Result, error) {
	ac := apply.Config{
		Connect: l.writer, Job: l.cfg.Job, Epoch: l.epoch.Load(), Tables: cfg.Tables, Until: cfg.Until, Stop: cfg.Stop, Skip: cfg.Skip,
		DDL: cfg.DDL, Carried: cfg.Carried, Late: cfg.Late, Pinned: cfg.Pinned,
		Limits: l.cfg.Limits, Logger: l.cfg.Logger, Progress: cfg.Report, Hook: l.cfg.Hook,
	}
	if cfg.Chunks != nil {
		st, err := l.State(ctx)
		if err != nil {
			return apply.Result{}, err
		}
		if ac.Filter, err = newFilter(cfg.Tables, cfg.Chunks, st.Receipts); err != nil {
			return apply.Result{}, err
		}
	}
	return apply.Run(ctx, ac, src)
}

// Facts implements End.
func (l *Local) Facts(ctx context.Context) (Facts, error) {
	f := Facts{Free: -1}
	err := l.plain.use(ctx, func(c *pg.Conn) error {
		row, err := c.Row(ctx, "SELECT current_database(), current_setting('server_version')")
		if err != nil {
			return err
		}
		f.Name, f.ServerVersion = row[0], row[1]
		site, err := schema.ReadSite(ctx, c, &l.libraries)
		if err != nil {
			return err
		}
		f.Site = *site
		if f.LeftOut, err = l.leftOut(ctx, c); err != nil {
			return err
		}
		if f.Free, err = freeDisk(ctx, c); err != nil {
			return err
		}
		f.SystemID, err = seen(c.Value(ctx, "SELECT system_identifier FROM pg_control_system()"))
		return err
	})
	return f, err
}

// leftOut lists the steps that were tolerated to fail.
func (l *Local) leftOut(ctx context.Context, c *pg.Conn) ([]schema.Item, error) {
	has, err := c.Value(ctx, "SELECT to_regclass('replicator.step') IS NOT NULL")
	if err != nil || has == "f" {
		return nil, err
	}
	rows, err := c.Query(ctx, "SELECT step, note FROM replicator.step WHERE job = $1 AND note IS NOT NULL ORDER BY 1", l.cfg.Job)
	if err != nil {
		return nil, fmt.Errorf("list what was left out: %w", err)
	}
	items := make([]schema.Item, len(rows))
	for i, r := range rows {
		items[i] = schema.Item{Kind: "left out", Name: r[0], Why: r[1], Do: "make it on the target by hand, as a role that may", Loss: true}
	}
	return items, nil
}

// Fingerprint implements End.
func (l *Local) Fingerprint(ctx context.Context, t *chunker.Table, text bool, jobs int) (checksum.Set, error) {
	set, err := chunker.Fingerprint(ctx, t, text, jobs, l.reader)
	if err != nil {
		return set, fmt.Errorf("fingerprint of %s on the target: %w", t, err)
	}
	return set, nil
}

// Lookup implements End.
func (l *Local) Lookup(ctx context.Context, secret checksum.Secret, list []chunker.Keyed) (sets []checksum.Set, err error) {
	err = l.lookups.use(ctx, func(c *pg.Conn) error {
		sets, err = chunker.Lookups(ctx, c, secret, list)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("on the target: %w", err)
	}
	return sets, nil
}

// SetSequences implements End.
func (l *Local) SetSequences(ctx context.Context, seqs []schema.SequenceValue) error {
	return l.transaction(ctx, l.plain, func(c *pg.Conn) error {
		var errs []error
		for _, s := range seqs {
			// setval belongs to no transaction and is the same when it is repeated.
			_, err := c.Query(ctx, "SELECT setval($1::regclass, $2::bigint, $3::boolean)",
				s.Qualified(), s.Last, s.Called)
			if err != nil {
				errs = append(errs, fmt.Errorf("set sequence %s: %w", &s.Relation, err))
				break
			}
		}
		return errors.Join(errs...)
	})
}

// Drop implements End.
func (l *Local) Drop(ctx context.Context) error {
	return l.plain.use(ctx, func(c *pg.Conn) error {
		has, err := c.Value(ctx, "SELECT to_regclass('replicator.job') IS NOT NULL")
		if err != nil || has == "f" {
			return err
		}
		return inTransaction(ctx, c, func() error { return l.drop(ctx, c) })
	})
}

func (l *Local) drop(ctx context.Context, c *pg.Conn) error {
	job := pg.Literal(l.cfg.Job)
	var sql strings.Builder
	for _, t := range []string{"receipt", "position", "step", "job"} {
		fmt.Fprintf(&sql, "DELETE FROM replicator.%s WHERE job = %s;\n", t, job)
	}
	has, err := c.Value(ctx, "SELECT to_regclass('replicator.ddl') IS NOT NULL") // a job of an older version has none
	if err != nil {
		return err
	}
	if has == "t" {
		fmt.Fprintf(&sql, "DELETE FROM replicator.ddl WHERE job = %s;\n", job)
	}
	if err := c.Exec(ctx, sql.String()); err != nil {
		return err
	}
	if _, err := l.lower(ctx, c, false); err != nil {
		return err
	}
	left, err := c.Value(ctx, "SELECT count(*) FROM replicator.job")
	if err == nil && left == "0" {
		err = c.Exec(ctx, "DROP SCHEMA replicator CASCADE")
	}
	l.cfg.Hook("target: drop before commit")
	return err
}

// seen is "" for what our role may not see.
func seen(v string, err error) (string, error) {
	if pg.State(err) == "42501" {
		return "", nil
	}
	return v, err
}
