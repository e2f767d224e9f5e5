package chunker_test

import (
	"testing"

	"replicator/chunker"
)

// TestByChunk sums up the chunks of a table in one scan, in binary and in text, and wants of each what a
// scan of its rows alone gives; and that damage shows in the chunk that it is in.
func TestByChunk(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"int", "bigint", "date", "timestamptz", "uuid"} {
		p := newPair(t, 15, 15)
		value := map[string]string{"int": "i - 2000", "bigint": "i::bigint * 4000000000 - 5", "date": "'2000-01-01'::date + i",
			"timestamptz": "'1999-12-31'::timestamptz + i * interval '1 hour'", "uuid": "lpad(to_hex(i), 32, '0')::uuid"}[key]
		p.both(t, "CREATE TABLE ward (id "+key+" PRIMARY KEY, label text)")
		p.src.do(t, "INSERT INTO ward SELECT "+value+", repeat('x', 200) || i FROM generate_series(1, 4000) i; ANALYZE ward")
		table := p.src.table(t, "ward")
		p.copy(t, table, "ORDER BY label")
		conn, err := p.src.connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		chunks, err := chunker.Cut(t.Context(), conn, table, chunker.Limits{Bytes: 100 << 10})
		if err != nil || len(chunks) < 5 || chunks[0].Kind != chunker.Range {
			t.Fatalf("%s: %d chunks: %v", key, len(chunks), err)
		}
		damaged := len(chunks) / 2
		p.tgt.do(t, "UPDATE ward SET label = '' WHERE ctid = (SELECT ctid FROM ward WHERE "+chunks[damaged].Where(table)+" LIMIT 1)")
		for _, text := range []bool{false, true} {
			if text && !chunker.Ordered(table.Columns[0].OID, text) {
				continue // not cut by its key where changes travel as text
			}
			src, tgt := p.sides(table)
			src.Text, tgt.Text = text, text
			here, err := src.ByChunk(t.Context(), chunks)
			if err != nil {
				t.Fatal(err)
			}
			there, err := tgt.ByChunk(t.Context(), chunks)
			if err != nil {
				t.Fatal(err)
			}
			var rows int64
			for i := range chunks {
				rows += here[i].Rows
				if here[i].Equal(there[i]) == (i == damaged) || here[i].Rows == 0 {
					t.Errorf("%s, text %t: chunk %d of %d has %v and %v", key, text, i, len(chunks), here[i], there[i])
				}
			}
			whole, err := src.Fingerprint(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			all := here[0]
			for _, s := range here[1:] {
				all.Merge(s)
			}
			if !all.Equal(whole.Total()) || rows != 4000 {
				t.Errorf("%s, text %t: the chunks have %v, the table %v", key, text, all, whole.Total())
			}
		}
	}
}
