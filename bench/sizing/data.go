package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"replicator/bench/clinical"
)

// dataSet fills an empty database. Scale 1 is about a gigabyte with indexes.
type dataSet func(ctx context.Context, w *world, scale float64, seed uint64) error

// dataSets are databases that have little in common.
var dataSets = map[string]dataSet{
	"clinical": func(ctx context.Context, w *world, scale float64, seed uint64) error {
		return clinical.Load(ctx, w.sourceDSN, clinical.Options{Scale: scale, Seed: 100 + seed})
	},
	"flat":    bySQL(flat),
	"pgbench": bySQL(pgbench),
	"narrow":  bySQL(narrow),
	"wide":    bySQL(wide),
	"blobs":   bySQL(blobs),
	"many":    bySQL(many),
}

func dataNames() string { return strings.Join(slices.Sorted(maps.Keys(dataSets)), ", ") }

// bySQL is a data set that statements make, each for itself.
func bySQL(text func(scale float64) []string) dataSet {
	return func(ctx context.Context, w *world, scale float64, _ uint64) error {
		for _, s := range text(scale) {
			if err := run(ctx, w.sourceDSN, s); err != nil {
				return err
			}
		}
		return nil
	}
}

// of is n at scale 1, at least one.
func of(scale float64, n int) int { return max(1, int(float64(n)*scale)) }

// flat is a long narrow table in key order, a wide one whose key is random, and one whose rows lie in TOAST.
func flat(scale float64) []string {
	return []string{
		"CREATE TABLE reading (id bigint PRIMARY KEY, device int NOT NULL, at timestamptz NOT NULL, v double precision, flag boolean)",
		fmt.Sprintf("INSERT INTO reading SELECT i, i %% 977, '2020-01-01'::timestamptz + i * interval '7 s', random() * 1000, i %% 7 = 0 FROM generate_series(1, %d) i", of(scale, 4_000_000)),
		"CREATE INDEX ON reading (device, at)", "CREATE INDEX ON reading (at)",
		"CREATE TABLE person (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL, address text, born date, notes text)",
		fmt.Sprintf("INSERT INTO person (name, address, born, notes) SELECT md5(i::text), md5((i * 7)::text) || ' street ' || i, '1950-01-01'::date + i %% 20000, repeat(md5((i * 3)::text) || ' ', 8) FROM generate_series(1, %d) i", of(scale, 500_000)),
		"CREATE INDEX ON person (name)", "CREATE INDEX ON person (born)",
		"CREATE TABLE letter (id bigint PRIMARY KEY, person uuid, body text)",
		fmt.Sprintf("INSERT INTO letter SELECT i, gen_random_uuid(), (SELECT string_agg(md5((i * 1000 + k)::text), ' ') FROM generate_series(1, 250) k) FROM generate_series(1, %d) i", of(scale, 20_000)),
	}
}

// pgbench is what pgbench -i makes with foreign keys, and a history without key, which is copied at the fence.
func pgbench(scale float64) []string {
	branches := of(scale, 60)
	return []string{
		"CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int, filler char(88))",
		"CREATE TABLE pgbench_tellers (tid int PRIMARY KEY, bid int REFERENCES pgbench_branches, tbalance int, filler char(84))",
		"CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int REFERENCES pgbench_branches, abalance int, filler char(84))",
		"CREATE TABLE pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))",
		fmt.Sprintf("INSERT INTO pgbench_branches SELECT i, 0 FROM generate_series(1, %d) i", branches),
		fmt.Sprintf("INSERT INTO pgbench_tellers SELECT i, (i - 1) / 10 + 1, 0 FROM generate_series(1, %d) i", branches*10),
		fmt.Sprintf("INSERT INTO pgbench_accounts SELECT i, (i - 1) / 100000 + 1, 0, '' FROM generate_series(1, %d) i", branches*100_000),
		fmt.Sprintf("INSERT INTO pgbench_history SELECT i %% 10 + 1, 1, i, i %% 5000, now() - i * interval '1 s' FROM generate_series(1, %d) i", branches*5000),
	}
}

// narrow is rows of numbers alone: indexes weigh more than rows.
func narrow(scale float64) []string {
	n := of(scale, 7_000_000)
	return []string{
		"CREATE TABLE sample (id bigint PRIMARY KEY, sensor int NOT NULL, at int NOT NULL, v real)",
		fmt.Sprintf("INSERT INTO sample SELECT i, (i::bigint * 7919) %% 5003, i / 50, random() * 100 FROM generate_series(1, %d) i", n),
		"CREATE INDEX ON sample (sensor, at)", "CREATE INDEX ON sample (v)",
		"CREATE TABLE edge (a int, b int, w real, PRIMARY KEY (a, b))",
		fmt.Sprintf("INSERT INTO edge SELECT i, (i * 31) %% %d, random() FROM generate_series(1, %d) i", n, n/3),
		"CREATE INDEX ON edge (b)",
	}
}

// wideColumns is how many columns of each sort a wide table has.
const wideColumns = 20

// wide is a table of sixty columns under a random key, rows that hardly pack, and a materialized view.
func wide(scale float64) []string {
	var columns, values []string
	for i := range wideColumns {
		columns = append(columns, fmt.Sprintf("n%d bigint, t%d text, d%d timestamptz", i, i, i))
		values = append(values, fmt.Sprintf("(random() * 1e12)::bigint, CASE WHEN i %% %d = 0 THEN NULL ELSE md5((i * %d)::text) END, '2020-01-01'::timestamptz + random() * interval '2000 d'", i+2, i+11))
	}
	return []string{
		"CREATE TABLE record (id uuid PRIMARY KEY, kind int NOT NULL, " + strings.Join(columns, ", ") + ")",
		fmt.Sprintf("INSERT INTO record SELECT gen_random_uuid(), i %% 37, %s FROM generate_series(1, %d) i", strings.Join(values, ", "), of(scale, 800_000)),
		"CREATE INDEX ON record (kind)", "CREATE INDEX ON record (t3)", "CREATE INDEX ON record (d5, n7)",
		"CREATE MATERIALIZED VIEW by_kind AS SELECT kind, count(*), sum(n1), max(t3) FROM record GROUP BY kind",
	}
}

// block is so many bytes that nothing compresses.
func block(hashes int) string {
	return fmt.Sprintf("(SELECT string_agg(sha512((i::text || '/' || k)::bytea), '') FROM generate_series(1, %d) k)", hashes)
}

// blobs is images that do not pack, documents that do, and large objects.
func blobs(scale float64) []string {
	return []string{
		"CREATE TABLE image (id bigint PRIMARY KEY, taken date, bytes bytea)", "ALTER TABLE image ALTER bytes SET STORAGE EXTERNAL",
		fmt.Sprintf("INSERT INTO image SELECT i, '2024-01-01'::date + i %% 700, %s FROM generate_series(1, %d) i", block(1600), of(scale, 5_000)),
		"CREATE TABLE document (id bigint PRIMARY KEY, image bigint REFERENCES image, body text)",
		fmt.Sprintf("INSERT INTO document SELECT i, i, (SELECT string_agg('The patient of ward ' || (i * k) %% 97 || ' was seen on day ' || k, '. ') FROM generate_series(1, 400) k) FROM generate_series(1, %d) i", of(scale, 5_000)),
		fmt.Sprintf("SELECT lo_from_bytea(0, %s) FROM generate_series(1, %d) i", block(400), of(scale, 2_000)),
	}
}

// many is small tables: what each of them costs counts, not its rows.
func many(scale float64) []string {
	n := of(scale, 3_000)
	statements := []string{"CREATE TABLE site (id int PRIMARY KEY, name text)", "INSERT INTO site SELECT i, 'site ' || i FROM generate_series(1, 50) i"}
	const batch = 300
	for from := 1; from <= n; from += batch {
		statements = append(statements, fmt.Sprintf(`DO $$ BEGIN FOR i IN %d .. %d LOOP
			EXECUTE format('CREATE TABLE t%%s (id int PRIMARY KEY, site int REFERENCES site, name text, at timestamptz)', i);
			EXECUTE format('INSERT INTO t%%s SELECT g, g %%%% 50 + 1, ''row '' || g, now() FROM generate_series(1, %%s) g', i, 20 + i %% 7 * 150);
			EXECUTE format('CREATE INDEX ON t%%s (name)', i);
			END LOOP; END $$`, from, min(n, from+batch-1)))
	}
	return statements
}
