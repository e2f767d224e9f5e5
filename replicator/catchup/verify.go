package catchup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/chunker"
	"replicator/replicator/fault"
)

// toCompare is what Options.Verify means.
func (r *run) toCompare() []chunker.Table {
	switch r.o.Verify {
	case VerifyNone:
		return nil
	case VerifyLate:
		return r.late
	}
	tables := slices.Clone(r.all_)
	for _, t := range r.late {
		if !slices.ContainsFunc(tables, func(o chunker.Table) bool { return o.Schema == t.Schema && o.Name == t.Name }) {
			tables = append(tables, t)
		}
	}
	return tables
}

// verify compares tables while nobody writes on either side. A rehearsal has only predicted it.
func (r *run) verify(ctx context.Context) (string, error) {
	tables := r.toCompare()
	if r.o.Rehearsal {
		return fmt.Sprintf("%d tables would be compared", len(tables)), nil
	}
	proved, err := r.compare(ctx, tables)
	if err != nil {
		return "", err
	}
	if err := r.different(ctx); err != nil {
		return "", err
	}
	var rows int64
	for i := range r.report.Tables {
		rows += r.report.Tables[i].Rows
	}
	detail := fmt.Sprintf("%d tables, %d rows equal", len(tables), rows)
	if proved > 0 {
		detail += fmt.Sprintf("; of %d tables proved before only the rows that changed since", proved)
	}
	return detail, nil
}

// different is the error where tables differ, which names them.
func (r *run) different(ctx context.Context) error {
	var names []string
	for _, t := range r.report.Different() {
		names = append(names, fmt.Sprintf("%s (%d rows on the source, %d on the target)", t.Name, t.Rows, t.TargetRows))
	}
	if len(names) == 0 {
		return nil
	}
	// A row that somebody writes after the fence is on the source first: that is no damage, and
	// whoever reads this must look for the writer, not for the difference.
	if _, err := r.proof(ctx); err != nil {
		return err
	}
	return fault.New(fault.Mismatch, fmt.Errorf("%d of %d tables differ: %s", len(names), len(r.report.Tables), strings.Join(names, ", ")),
		"the target was not opened; the source is as it was")
}

// compare reads all tables on both sides, or of those that were proved equal, whose number it gives, the
// rows that changed since.
func (r *run) compare(ctx context.Context, tables []chunker.Table) (proved int, err error) {
	changed, err := r.changed(ctx, tables)
	if err != nil {
		return 0, err
	}
	full := []*chunker.Table{}
	for i := range tables {
		if _, proved := changed[&tables[i]]; !proved {
			full = append(full, &tables[i])
		}
	}
	found, err := r.job.Compare(ctx, full)
	if err != nil {
		return 0, err
	}
	for i := range tables {
		t := &tables[i]
		c, only := changed[t]
		if !only {
			c = found[t]
		}
		r.report.Tables = append(r.report.Tables, TableResult{
			Name: t.String(), Rows: c.Source.Rows, Bytes: c.Source.Bytes, TargetRows: c.Target.Rows, Equal: c.Source.Equal(c.Target),
			Late: r.isLate(t), Changed: only, SourceFingerprint: c.Source.String(), TargetFingerprint: c.Target.String(),
		})
	}
	return len(changed), nil
}

// changed compares the rows that changed since, of tables of which that is enough.
func (r *run) changed(ctx context.Context, tables []chunker.Table) (map[*chunker.Table]Compared, error) {
	var followed []*chunker.Table
	for i := range tables {
		if !r.isLate(&tables[i]) {
			followed = append(followed, &tables[i])
		}
	}
	if r.o.Verify != VerifyChanged || len(followed) == 0 {
		return nil, nil
	}
	return r.job.Changed(ctx, followed, r.report.FenceLSN)
}

func (r *run) isLate(t *chunker.Table) bool {
	return slices.ContainsFunc(r.late, func(l chunker.Table) bool { return l.Schema == t.Schema && l.Name == t.Name })
}
