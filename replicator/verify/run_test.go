package verify

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
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
	asked  atomic.Int64 // for sums of little tables
}

func (s *same) Tables(context.Context, []string) ([]*chunker.Table, []string, error) {
	return s.tables, nil, nil
}

func (s *same) Align(context.Context, []*chunker.Table) (*Aligned, error) {
	return &Aligned{
		LSN: 7, Jobs: 4, Close: func() {},
		Source: func(*chunker.Table, int) Side { return empty{} },
		Target: func(*chunker.Table, int) chunker.Side { return empty{} },

		SourceTotals: s.totals, TargetTotals: s.totals,
	}, nil
}

func (s *same) totals(_ context.Context, tables []*chunker.Table, _ int, _ checksum.Selection) ([]checksum.Set, error) {
	s.asked.Add(1)
	return make([]checksum.Set, len(tables)), nil
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

// TestGroups: a group is bounded in tables and in bytes, and so is what is asked for at once; no table is lost.
func TestGroups(t *testing.T) {
	t.Parallel()
	var tables []*chunker.Table
	for i := range 1000 {
		tables = append(tables, &chunker.Table{Name: fmt.Sprint("t", i), Bytes: int64(i) * 8 << 10})
	}
	tables = append(tables, &chunker.Table{Name: "large", Bytes: 3 * groupBytes})
	alone, asked := map[string]int{}, map[string]int{}
	for _, g := range Groups(tables) {
		if len(g) > groupTables || bytesOf(g) > groupBytes && len(g) > 1 {
			t.Errorf("a group of %d tables and %d bytes", len(g), bytesOf(g))
		}
		var mu sync.Mutex
		err := Together(t.Context(), 4, g, func(_ context.Context, t *chunker.Table, _ int) error {
			mu.Lock()
			defer mu.Unlock()
			alone[t.Name]++
			return nil
		}, func(_ context.Context, many []*chunker.Table) error {
			if bytesOf(many) > littleBytes {
				t.Errorf("%d bytes for one question", bytesOf(many))
			}
			for _, t := range many {
				asked[t.Name]++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range tables {
		little := table.Bytes < Little
		if a, m := alone[table.Name], asked[table.Name]; a+m != 1 || little != (m == 1) {
			t.Errorf("%s of %d bytes was read %d times alone, %d times with others", table.Name, table.Bytes, a, m)
		}
	}
}

func bytesOf(tables []*chunker.Table) (n int64) {
	for _, t := range tables {
		n += t.Bytes
	}
	return n
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
	if asked, most := job.asked.Load(), int64(2*(n/groupTables+1)); asked > most {
		t.Errorf("%d questions for the sums of %d tables, want at most %d", asked, n, most)
	}
	if most := n * n / 8; job.kept > most {
		t.Errorf("%d tables were kept, want at most %d", job.kept, most)
	}
}
