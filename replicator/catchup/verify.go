package catchup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/checksum"
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
	var rows int64
	proved := 0
	var different []string
	for i := range tables {
		t := &tables[i]
		src, tgt, changed, err := r.compare(ctx, t)
		if err != nil {
			return "", err
		}
		res := TableResult{
			Name: t.String(), Rows: src.Rows, Bytes: src.Bytes, Equal: src.Equal(tgt), Late: r.isLate(t), Changed: changed,
			SourceFingerprint: src.String(), TargetFingerprint: tgt.String(),
		}
		r.report.Tables = append(r.report.Tables, res)
		rows += res.Rows
		if changed {
			proved++
		}
		if !res.Equal {
			different = append(different, fmt.Sprintf("%s (%d rows on the source, %d on the target)", res.Name, src.Rows, tgt.Rows))
		}
	}
	if len(different) > 0 {
		// A row that somebody writes after the fence is on the source first: that is no damage, and
		// whoever reads this must look for the writer, not for the difference.
		if _, err := r.proof(ctx); err != nil {
			return "", err
		}
		return "", fault.New(fault.Mismatch, fmt.Errorf("%d of %d tables differ: %s", len(different), len(tables), strings.Join(different, ", ")),
			"the target was not opened; the source is as it was")
	}
	if proved > 0 {
		return fmt.Sprintf("%d tables, %d rows equal; of %d tables proved before only the rows that changed since", len(tables), rows, proved), nil
	}
	return fmt.Sprintf("%d tables, %d rows equal", len(tables), rows), nil
}

// compare reads a table on both sides, or of one that was proved equal the rows that changed since.
func (r *run) compare(ctx context.Context, t *chunker.Table) (src, tgt checksum.Set, changed bool, err error) {
	if r.o.Verify == VerifyChanged && !r.isLate(t) {
		if src, tgt, changed, err = r.job.Changed(ctx, t, r.report.FenceLSN); err != nil || changed {
			return src, tgt, changed, err
		}
	}
	src, tgt, err = r.job.Fingerprints(ctx, t)
	return src, tgt, false, err
}

func (r *run) isLate(t *chunker.Table) bool {
	return slices.ContainsFunc(r.late, func(l chunker.Table) bool { return l.Schema == t.Schema && l.Name == t.Name })
}
