package frame_test

import (
	"bytes"
	"fmt"
	"testing"

	"replicator/bench/clinical"
	"replicator/bench/cluster"
	"replicator/checksum/column"
	"replicator/checksum/frame"
	"replicator/replicator/pg"
)

// frames cuts what COPY sends where the engine cuts it: between rows, at 4 MiB.
type frames [][]byte

const frameBytes = 4 << 20

func (f *frames) Write(p []byte) (int, error) {
	last := len(*f) - 1
	if last < 0 || len((*f)[last])+len(p) > frameBytes {
		*f, last = append(*f, nil), last+1
	}
	(*f)[last] = append((*f)[last], p...)
	return len(p), nil
}

// clinicalFrames are the rows of tables of the clinical database, or of all.
func clinicalFrames(t testing.TB, scale float64, tables ...string) map[string]frames {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Version: 15, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	dsn, err := c.CreateDatabase(t.Context(), "clinical")
	if err != nil {
		t.Fatal(err)
	}
	if err := clinical.Load(t.Context(), dsn, clinical.Options{Scale: scale, Seed: 7}); err != nil {
		t.Fatal(err)
	}
	conn, err := pg.Connect(t.Context(), pg.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if len(tables) == 0 {
		tables = allTables(t, conn)
	}
	all := map[string]frames{}
	for _, table := range tables {
		var f frames
		if _, err := conn.CopyTo(t.Context(), &f, "COPY (SELECT * FROM "+table+") TO STDOUT (FORMAT binary)"); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		all[table] = f
	}
	return all
}

func allTables(t testing.TB, conn *pg.Conn) (tables []string) {
	t.Helper()
	rows, err := conn.Query(t.Context(), `SELECT c.oid::regclass FROM pg_class c
		JOIN pg_namespace n ON n.oid = relnamespace
		WHERE nspname IN ('emergency', 'record', 'outpatient') AND relkind IN ('r', 'p') AND NOT relispartition`)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		tables = append(tables, r[0])
	}
	return tables
}

func size(all [][]byte) (n int) {
	for _, b := range all {
		n += len(b)
	}
	return n
}

// sealAll seals frames by one layout into the memory of sealed.
func sealAll(p *frame.Packer, sealed [][]byte, raw frames, level frame.Level, l *column.Layout) [][]byte {
	for len(sealed) < len(raw) {
		sealed = append(sealed, nil)
	}
	for i, r := range raw {
		sealed[i] = p.Seal(sealed[i][:0], frame.Header{Kind: frame.Rows, Seq: uint64(i)}, r, level, l)
	}
	return sealed
}

// TestClinical takes every table of a clinical database into column order and back. Observations,
// encounters and the audit, most of the rows, must take at most half of what row order takes.
func TestClinical(t *testing.T) {
	p := frame.NewPacker()
	var rows, columns int
	for table, raw := range clinicalFrames(t, 0.01) {
		sealed := sealAll(p, nil, raw, frame.Default, column.NewLayout())
		for i, s := range sealed {
			if _, back, err := frame.Open(s, nil); err != nil || !bytes.Equal(back, raw[i]) {
				t.Errorf("%s: another frame comes back: %v", table, err)
			}
		}
		before := size(sealAll(p, nil, raw, frame.Default, nil))
		t.Logf("%-35s %9d bytes, rows %8d, columns %8d", table, size(raw), before, size(sealed))
		switch table {
		case "record.observation", "record.encounter", "record.audit":
			rows, columns = rows+before, columns+size(sealed)
		}
	}
	if rows == 0 || 2*columns > rows {
		t.Errorf("columns take %d bytes where rows take %d", columns, rows)
	}
}

// BenchmarkClinical seals and opens frames of clinical tables, in row order and in columns.
func BenchmarkClinical(b *testing.B) {
	tables := []string{"record.observation", "record.encounter", "record.audit", "record.medication", "record.note"}
	all := clinicalFrames(b, 0.1, tables...)
	for _, table := range tables {
		raw := all[table]
		for _, level := range []frame.Level{frame.Fastest, frame.Default} {
			for _, l := range []*column.Layout{nil, column.NewLayout()} {
				order := "columns"
				if l == nil {
					order = "rows"
				}
				name := fmt.Sprintf("%s/%v/%s", table, level, order)
				b.Run(name+"/seal", func(b *testing.B) { benchmarkSeal(b, raw, level, l) })
				b.Run(name+"/open", func(b *testing.B) { benchmarkOpen(b, raw, level, l) })
			}
		}
	}
}

func benchmarkSeal(b *testing.B, raw frames, level frame.Level, l *column.Layout) {
	p := frame.NewPacker()
	sealed := sealAll(p, nil, raw, level, l)
	b.SetBytes(int64(size(raw)))
	b.ReportAllocs()
	for b.Loop() {
		sealed = sealAll(p, sealed, raw, level, l)
	}
	b.ReportMetric(float64(size(raw))/float64(size(sealed)), "ratio")
}

func benchmarkOpen(b *testing.B, raw frames, level frame.Level, l *column.Layout) {
	sealed := sealAll(frame.NewPacker(), nil, raw, level, l)
	b.SetBytes(int64(size(raw)))
	b.ReportAllocs()
	var back []byte
	for b.Loop() {
		for _, s := range sealed {
			_, back, _ = frame.Open(s, back)
		}
	}
}
