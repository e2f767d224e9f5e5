package chunker_test

import (
	"fmt"
	"io"
	"testing"

	"golang.org/x/sync/errgroup"

	"replicator/checksum"
	"replicator/chunker"
)

// BenchmarkScan is the fingerprint of a table by two sessions against the physical limit: two that
// read it by binary COPY to nowhere.
func BenchmarkScan(b *testing.B) {
	for _, shape := range []struct{ name, columns, values string }{
		{"narrow", "id bigint PRIMARY KEY, ward int, at timestamptz, value float8", "i, i % 50, now(), i / 7.0"},
		{"medium", "id bigint PRIMARY KEY, patient uuid, at timestamptz, code text, value numeric(10,2), note text",
			"i, gen_random_uuid(), now(), 'code ' || i % 1000, i / 100.0, repeat('note ', (i % 40)::int)"},
		{"arrays", "id bigint PRIMARY KEY, at timestamptz, codes text[]", "i, now(), ARRAY['a', 'code ' || i % 1000]"},
	} {
		const rows = 600000
		p := newPair(b, 15, 15)
		p.src.do(b, fmt.Sprintf("CREATE TABLE large (%s); INSERT INTO large SELECT %s FROM generate_series(1, %d) i", shape.columns, shape.values, rows))
		p.src.do(b, "VACUUM ANALYZE large")
		src, _ := p.sides(p.src.table(b, "large"))
		perSecond := func(b *testing.B) { b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s") }
		b.Run(shape.name+"/raw", func(b *testing.B) {
			for b.Loop() {
				rawCopy(b, p.src, src.Table)
			}
			perSecond(b)
		})
		for name, secret := range map[string]checksum.Secret{"plain": {}, "keyed": {1}} {
			b.Run(shape.name+"/"+name, func(b *testing.B) {
				src.Secret = secret
				for b.Loop() {
					if _, err := src.Fingerprint(b.Context(), nil); err != nil {
						b.Fatal(err)
					}
				}
				perSecond(b)
			})
		}
	}
}

// rawCopy reads the table in two halves at once.
func rawCopy(b *testing.B, d *database, t *chunker.Table) {
	var g errgroup.Group
	for _, where := range []string{"ctid < '(%d,0)'", "ctid >= '(%d,0)'"} {
		g.Go(func() error {
			conn, err := d.connect(b.Context())
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.CopyTo(b.Context(), io.Discard, fmt.Sprintf("COPY (SELECT * FROM %s WHERE "+where+") TO STDOUT (FORMAT binary)", t.Qualified(), t.Pages/2))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}
