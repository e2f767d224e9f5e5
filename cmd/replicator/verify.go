package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"replicator/replicator"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

func verifyCommand() command {
	return command{
		name:  "verify",
		short: "prove that both sides are equal, while both are live",
		long: `
Compares every followed table on both sides as of one LSN, by fingerprints of all its rows, while the
source is in use and the target follows. Each side reads its own database; only fingerprints travel.
Apply stands still for the moment in which the snapshots are taken; the report says how long.

Rows that differ are named by a hash of their key; --show-keys prints the keys themselves, which are
patient data. --repair copies these rows from the source again and compares once more. A verification
that was interrupted goes on with the tables that are left. Exit code 0: equal, 7: not.`,
		examples: `
replicator verify --dir /var/lib/replicator/emr
replicator verify --tables 'ed.*,record.patient' --show-keys
replicator verify --sample 5%            # every day another twentieth of the rows
replicator verify --repair`,
		define: defineVerify,
	}
}

func defineVerify(a *app, f *pflag.FlagSet) action {
	var dsn connections
	var key keyFile
	var o replicator.VerifyOptions
	defineDir(a, f, &o.Dir)
	dsn.defineFar(a, f)
	key.define(a, f)
	f.VarP(patterns{&o.Tables}, "table", "t", "only tables that match these `patterns`, with commas between")
	f.Var(percent{&o.Sample}, "sample", "compare only so many `percent` of the rows, as in 5%")
	f.BoolVar(&o.ShowKeys, "show-keys", false, "print the keys of rows that differ: they are row values")
	f.BoolVar(&o.Repair, "repair", false, "copy the rows that differ from the source again, and compare once more")
	return func(ctx context.Context, _ []string) error {
		o.Source, o.Target, o.Link = dsn.getFar()
		o.KeyFile, o.Logger = key.get(), a.logger()
		report, err := replicator.Verify(ctx, o, a.tellTable)
		if report == nil {
			return err
		}
		return errors.Join(err, a.verified(report))
	}
}

// tellTable shows a table that was compared.
func (a *app) tellTable(e verify.Event) {
	if a.logFormat == "json" {
		a.logger().Info("compared", "table", e.Table.Name, "equal", e.Table.Equal, "rows", e.Table.Rows, "lsn", e.Table.LSN, "seconds", e.Table.Seconds)
		return
	}
	fmt.Fprintf(a.stderr, "%d/%d %s\n", e.Done, e.Of, tableLine(&e.Table))
}

func tableLine(t *verify.Table) string {
	text := "equal"
	if !t.Equal {
		text = fmt.Sprintf("DIFFERENT in %s rows", status.Count(int64(len(t.Differences))))
		if t.More {
			text += " and more"
		}
	}
	if t.Repaired > 0 {
		text += fmt.Sprintf(" after %s rows were written or removed", status.Count(int64(t.Repaired)))
	}
	return fmt.Sprintf("%s: %s; %s rows, %s as of %s, %s", status.Printable(t.Name), text, status.Count(t.Rows), status.Size(float64(t.Bytes)), t.LSN, status.Seconds(t.Seconds))
}

// verified is the report on stdout.
func (a *app) verified(r *verify.Report) error {
	if a.json {
		return a.writeJSON(r)
	}
	var b strings.Builder
	var rows, bytes int64
	for i := range r.Tables {
		t := &r.Tables[i]
		rows, bytes = rows+t.Rows, bytes+t.Bytes
		for _, d := range t.Differences {
			key := ""
			if d.Key != nil {
				key = " key (" + status.Printable(strings.Join(d.Key, ", ")) + ")"
			}
			fmt.Fprintf(&b, "%s: %s, key hash %s%s\n", status.Printable(t.Name), d.Kind, d.KeyHash, key)
		}
	}
	for _, name := range r.Left {
		fmt.Fprintf(&b, "%s: late, compared at the fence\n", status.Printable(name))
	}
	for i := range r.Strangers {
		fmt.Fprintf(&b, "somebody else on the target: %s\n", r.Strangers[i].String())
	}
	fmt.Fprintf(&b, "%d tables, %s rows, %s: %s. Apply stood still for %.0f ms at most.\n", len(r.Tables), status.Count(rows),
		status.Size(float64(bytes)), r.Outcome, 1000*r.Pause)
	_, err := fmt.Fprint(a.stdout, b.String())
	return err
}

// percent is a share, with or without the sign.
type percent struct{ to *float64 }

func (p percent) Type() string { return "percent" }

func (p percent) String() string {
	if p.to == nil || *p.to == 0 {
		return ""
	}
	return strconv.FormatFloat(*p.to, 'f', -1, 64) + "%"
}

func (p percent) Set(v string) error {
	n, err := strconv.ParseFloat(strings.TrimSuffix(v, "%"), 64)
	if err != nil || n <= 0 || n > 100 {
		return errors.New("not a percentage")
	}
	*p.to = n
	return nil
}
