package status

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s:\n%s\nwant:\n%s", name, got, want)
	}
}

var evening = time.Date(2026, 11, 22, 19, 30, 1, 0, time.UTC)

const gig = 1 << 30

// copying is a job in the middle of its copy.
func copying() Status {
	s := Status{
		Version: Version, At: evening.Add(2 * time.Hour), Job: "emr", Running: true, PID: 4711,
		Phase: Copying, Since: evening,
		Copy: Copy{
			TablesTotal: 4, TablesCopied: 2, ChunksTotal: 23, ChunksCopied: 8, Rows: 12345678,
			Bytes: 11 * gig, BytesTotal: 68 * gig, RowRate: 81200, ByteRate: 85 << 20, ETA: 671,
		},
		Indexes: Indexes{Total: 40, Built: 7, Running: []string{"ed.visit_bed_idx", "ed.visit_when_idx"}},
		Source:  Source{Retained: 300 << 20, SafeSize: 9 * gig, SlotState: "reserved", CurrentLSN: 0x16B374D848, SnapshotAge: 12.4},
		Log:     Log{Bytes: 2 * gig, Received: 0x16B374D800, Durable: 0x16B374D700},
		Apply:   Apply{Applied: 0x16B0000000, LagBytes: 0x374D848, LagSeconds: 1.2, ETA: -1, ChangeRate: 340, Transactions: 1200, Changes: 48111},
		Tables: []Table{
			{Name: "ed.visit", Kind: "range", Chunks: 10, Copied: 3, Rows: 9000000, Bytes: 8 * gig, Size: 30 * gig},
			{Name: "outpatient.note", Kind: "block", Chunks: 10, Copied: 3, Rows: 3345000, Bytes: 3 * gig, Size: 37 * gig},
			{Name: "ed.bed", Kind: "whole", Chunks: 1, Copied: 1, Rows: 678, Bytes: 40 << 10, Size: 64 << 10, Indexed: true},
			{Name: "ed.odd\x1b[2Jname", Kind: "whole", Chunks: 2, Copied: 1, Size: gig},
		},
	}
	return s
}

func troubled() Status {
	s := copying()
	s.Running, s.Phase, s.PID = false, Failed, 0
	s.LastError, s.ErrorAt = "apply: SQLSTATE 23505 (unique_violation) table ed.visit constraint visit_pkey", evening.Add(time.Hour)
	s.Log.Full = true
	s.Waiting = "a person"
	s.Apply.Missed = map[string]int64{"ed.visit": 3, "ed.bed": 1}
	s.Late = []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	s.Notes = []string{"subscription hub is not created", "user mapping of lab holds secrets"}
	s.Strangers = []Stranger{
		{Application: "psql", Role: "dba", Kind: "client backend", First: evening, Last: evening.Add(time.Minute), Looks: 12},
		{Application: "emr\x1b[2J", Role: "ward", Kind: "client backend", First: evening, Last: evening.Add(time.Hour), Sessions: 3, Unguarded: 1, Looks: 720},
		{Role: "postgres", Kind: "logical replication worker", First: evening, Last: evening.Add(time.Hour), Sessions: 1, Unguarded: 1, Looks: 720, Writing: 9, Wrote: evening.Add(time.Hour)},
		{Application: "report", Role: "reader", Kind: "client backend", First: evening, Last: evening.Add(time.Hour), Sessions: 2, Looks: 1},
	}
	return s
}

// many is a job with more tables than a screen.
func many() Status {
	s := copying()
	s.Source.SafeSize, s.Source.SnapshotAge = -1, 0
	s.Tables = s.Tables[:3]
	for i := range 1000 {
		t := Table{Name: "ward.observation_" + Count(int64(i)), Kind: "whole", Chunks: 2, Size: 5 << 20}
		switch {
		case i < 30:
			t.Copied = 1
		case i < 100:
			t.Copied, t.Indexed = 2, i%2 == 0
		}
		s.Tables = append(s.Tables, t)
	}
	return s
}

// linked is a copy to another site.
func linked() Status {
	s := copying()
	s.Link = &Link{
		Peer: "new.example:7432", Connected: true, Since: evening, Connections: 2, RoundTrip: 0.0204, Streams: 4, MaxRate: 40 << 20,
		Level: "default", WireRate: 11.7 * (1 << 20), RawRate: 71 << 20, Ratio: 6.07, Resent: 3, Damaged: 1,
		Bottleneck: "the link: it is full", CertificateEnds: evening.Add(9 * 24 * time.Hour),
	}
	return s
}

// cut is the same while the link is down.
func cut() Status {
	s := linked()
	s.Link.Connected, s.Link.Since, s.Link.LastError = false, evening.Add(119*time.Minute), "read tcp: i/o timeout"
	return s
}
