package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/status"
	"replicator/wal"
)

// same is a job whose sides are equal: what is tried here is what a run keeps of them.
type same struct {
	tables []*chunker.Table
	kept   int // tables in all reports that were kept
	last   Report
	found  map[string]bool
}

func (s *same) Tables(context.Context, []string) ([]*chunker.Table, []string, error) {
	return s.tables, nil, nil
}

func (s *same) Align(context.Context, []*chunker.Table) (*Aligned, error) {
	return &Aligned{
		LSN: 7, Jobs: 4, Close: func() {},
		Source: func(*chunker.Table, int) Side { return empty{} },
		Target: func(*chunker.Table, int) chunker.Side { return empty{} },
	}, nil
}

func (s *same) Repair(context.Context, *chunker.Table, []checksum.KeyHash) (int, error) {
	return 0, nil
}

func (s *same) Found(t *chunker.Table, _ wal.LSN, equal bool) error {
	s.found[t.Name] = equal
	return nil
}

func (s *same) Strangers(context.Context) ([]status.Stranger, error) { return nil, nil }

func (s *same) Keep(r *Report) error {
	s.kept += len(r.Tables)
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	s.last = Report{}
	return json.Unmarshal(raw, &s.last)
}

// empty is a side without rows.
type empty struct{ Side }

func (empty) Fingerprint(context.Context, checksum.Selection) (*checksum.Fingerprint, error) {
	return checksum.NewFingerprint(checksum.Secret{}, nil), nil
}

// TestManyTablesAreKept: the report of many tables is not kept whole for each of them, and in the end it
// has them all. A run goes on with those that are left.
func TestManyTablesAreKept(t *testing.T) {
	t.Parallel()
	const n = 2000
	job := &same{found: map[string]bool{}}
	for i := range n {
		job.tables = append(job.tables, &chunker.Table{Schema: "public", Name: fmt.Sprint("t", i), Ordinal: i})
	}
	report := NewReport("job", Options{}, nil)
	for i := range 3 { // what a run before has left
		report.Tables = append(report.Tables, Table{Name: job.tables[i].String(), Equal: true})
	}
	if err := Run(t.Context(), job, Options{}, report, func(Event) {}); err != nil {
		t.Fatal(err)
	}
	if job.last.Outcome != Equal || len(job.last.Tables) != n || len(job.found) != n-3 {
		t.Errorf("%s, %d tables in the report, %d found", job.last.Outcome, len(job.last.Tables), len(job.found))
	}
	if most := n * n / 8; job.kept > most {
		t.Errorf("%d tables were kept, want at most %d", job.kept, most)
	}
}
