package main

import (
	"context"
	"fmt"
	"strings"

	"replicator/replicator/check"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// prepare runs the check, mends what it finds with the SQL that it gives, and checks again.
func (d *demo) prepare(ctx context.Context) error {
	d.chapter("replicator check: can it be moved?")
	report, err := d.check(ctx)
	if err != nil {
		return err
	}
	if report.MustFix() {
		for _, f := range report.Findings {
			if f.Level == check.Must {
				if err := d.mend(ctx, f); err != nil {
					return err
				}
			}
		}
		if report, err = d.check(ctx); err != nil {
			return err
		}
	}
	if report.MustFix() {
		_ = report.WriteText(d.out, false) // the error below is what counts
		return fault.New(fault.Preflight, errMustFix, "")
	}
	return nil
}

func (d *demo) check(ctx context.Context) (*check.Report, error) {
	report, err := check.Run(ctx, check.Options{Source: d.sourceDSN, Target: d.targetDSN, Dir: d.dir, Logger: d.log})
	if err != nil {
		return nil, err
	}
	count := map[check.Level]int{}
	for _, f := range report.Findings {
		count[f.Level]++
	}
	d.tell("%d ok, %d to note, %d to fix", count[check.OK], count[check.Note], count[check.Must])
	return report, nil
}

// mend runs a finding's SQL, as the DBA would.
func (d *demo) mend(ctx context.Context, f check.Finding) error {
	if f.SQL == "" {
		return nil
	}
	d.tell("to fix: %s; its SQL is run on the %s", strings.TrimSpace(f.Subject), f.Side)
	dsn := map[check.Side]string{check.Source: d.sourceDSN, check.Target: d.targetDSN}[f.Side]
	if dsn == "" {
		return nil
	}
	conn, err := pg.Connect(ctx, pg.Config{DSN: dsn, Name: "replicator demo"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Exec(ctx, f.SQL); err != nil {
		return fmt.Errorf("mend %s: %w", f.ID, err)
	}
	return nil
}
