package clinical

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/pg"
)

const canary = "CANARY-5f3a9"

// load makes a small database on a server of the version.
func load(t *testing.T, version int, opts Options) *pg.Conn {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Config{Version: version, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	dsn, err := c.CreateDatabase(t.Context(), "clinical")
	if err != nil {
		t.Fatal(err)
	}
	if err := Load(t.Context(), dsn, opts); err != nil {
		log, _ := os.ReadFile(c.LogFile())
		t.Fatalf("%v\n%s", err, log)
	}
	conn, err := pg.Connect(t.Context(), pg.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func query(t *testing.T, conn *pg.Conn, sql string) [][]string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

func TestLoad(t *testing.T) {
	for _, version := range []int{14, 15, 18} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			opts := Options{Scale: 0.002, Seed: 7, Canary: canary}
			conn := load(t, version, opts)
			t.Run("rows", func(t *testing.T) { testRows(t, conn, opts) })
			t.Run("canary", func(t *testing.T) { testCanary(t, conn) })
			t.Run("objects", func(t *testing.T) { testObjects(t, conn) })
			t.Run("sequences", func(t *testing.T) { testSequences(t, conn) })
		})
	}
}

func testRows(t *testing.T, conn *pg.Conn, opts Options) {
	for _, tab := range tables() {
		want := tab.rows(sizeAt(opts.Scale))
		only := "ONLY "
		if tab.name == "record.observation" {
			only = ""
		}
		if got := query(t, conn, "SELECT count(*) FROM "+only+tab.name)[0][0]; got != fmt.Sprint(want) {
			t.Errorf("%s: %s rows, want %d", tab.name, got, want)
		}
	}
}

// textColumns are all columns whose values are text or hold some, by table. The search vector is
// left out, being words of a marked text, and the country code has two letters.
const textColumns = `
	WITH RECURSIVE texty (oid) AS (
		SELECT oid FROM pg_type WHERE typname IN ('text', 'varchar', 'bpchar', 'json', 'jsonb') AND typnamespace = 'pg_catalog'::regnamespace
		UNION
		SELECT t.oid FROM pg_type t JOIN texty ON t.typbasetype = texty.oid OR t.typelem = texty.oid
			OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.atttypid = texty.oid AND t.typtype = 'c')
		WHERE t.typnamespace IN ('pg_catalog'::regnamespace, 'record'::regnamespace)
	)
	SELECT format('%I.%I', n.nspname, c.relname), quote_ident(a.attname)
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relkind IN ('r', 'm') AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid IN (SELECT oid FROM texty)
		AND n.nspname IN ('record', 'emergency', 'outpatient')`

func testCanary(t *testing.T, conn *pg.Conn) {
	columns := query(t, conn, textColumns)
	if len(columns) < 60 {
		t.Fatalf("only %d text columns found", len(columns))
	}
	columns = append(columns, []string{"record.document", "encode(content, 'escape')"})
	for _, c := range columns {
		sql := fmt.Sprintf("SELECT count(*), count(*) FILTER (WHERE position('%s' IN (%s)::text) = 0) FROM ONLY %s WHERE %s::text IS NOT NULL",
			canary, c[1], c[0], c[1])
		got := query(t, conn, sql)[0]
		if got[1] != "0" {
			t.Errorf("%s.%s: %s of %s values without the canary", c[0], c[1], got[1], got[0])
		}
	}
}

// testObjects checks that the database has the objects that it exists for.
func testObjects(t *testing.T, conn *pg.Conn) {
	const ours = "('record'::regnamespace, 'emergency'::regnamespace, 'outpatient'::regnamespace)"
	for name, sql := range map[string]string{
		"generated always":   "SELECT count(*) FROM pg_attribute WHERE attidentity = 'a'",
		"generated default":  "SELECT count(*) FROM pg_attribute WHERE attidentity = 'd'",
		"generated column":   "SELECT count(*) FROM pg_attribute WHERE attgenerated = 's'",
		"dropped column":     "SELECT count(*) FROM pg_attribute WHERE attisdropped AND attrelid = 'record.patient'::regclass",
		"missing value":      "SELECT count(*) FROM pg_attribute WHERE atthasmissing",
		"exclusion":          "SELECT count(*) FROM pg_constraint WHERE contype = 'x'",
		"deferrable unique":  "SELECT count(*) FROM pg_constraint WHERE contype = 'u' AND condeferrable",
		"not valid check":    "SELECT count(*) FROM pg_constraint WHERE contype = 'c' AND NOT convalidated",
		"not valid key":      "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated",
		"self reference":     "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND conrelid = confrelid",
		"partial unique":     "SELECT count(*) FROM pg_index WHERE indisunique AND indpred IS NOT NULL",
		"expression index":   "SELECT count(*) FROM pg_index WHERE indexprs IS NOT NULL",
		"replica identity":   "SELECT count(*) FROM pg_class WHERE relreplident = 'i' AND relkind = 'r'",
		"unlogged":           "SELECT count(*) FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r'",
		"partition":          "SELECT count(*) FROM pg_class WHERE relispartition AND relkind = 'r'",
		"inheritance":        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'emergency.incident'::regclass",
		"matview":            "SELECT count(*) FROM pg_class WHERE relkind = 'm' AND relispopulated",
		"always trigger":     "SELECT count(*) FROM pg_trigger WHERE tgenabled = 'A'",
		"disabled trigger":   "SELECT count(*) FROM pg_trigger WHERE tgenabled = 'D' AND NOT tgisinternal",
		"rule":               "SELECT count(*) FROM pg_rewrite WHERE rulename <> '_RETURN' AND ev_class::regclass::text ~ 'record|outpatient'",
		"row security":       "SELECT count(*) FROM pg_class WHERE relrowsecurity",
		"unused sequence":    "SELECT count(*) FROM pg_sequences WHERE schemaname = 'record' AND last_value IS NULL",
		"open stay":          "SELECT count(*) FROM record.encounter WHERE status = 'open' AND upper_inf(period)",
		"default partition":  "SELECT count(*) FROM record.observation_other",
		"dose of zero":       "SELECT 1 + count(*) FROM record.medication WHERE (dose).amount = 0",
		"toasted documents":  "SELECT count(*) FROM record.document WHERE pg_column_size(content) > 4000",
		"owner":              "SELECT count(*) FROM pg_class WHERE relowner = 'clinical_owner'::regrole AND relnamespace IN " + ours,
		"everything is hers": "SELECT 1 - count(*) FROM pg_class WHERE relowner <> 'clinical_owner'::regrole AND relnamespace IN " + ours,
	} {
		if got := query(t, conn, sql)[0][0]; strings.HasPrefix(got, "-") || got == "0" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// testSequences writes a row with every default; a sequence left behind would break the key.
func testSequences(t *testing.T, conn *pg.Conn) {
	for _, sql := range []string{
		"INSERT INTO record.observation (patient_id, code, taken_at) VALUES (1, 'x', now())",
		`INSERT INTO record."order" (encounter_id, kind) VALUES (1, 'lab')`,
		"INSERT INTO record.note (patient_id, title, body) VALUES (1, 't', 'b')",
		"INSERT INTO outpatient.appointment (patient_id, clinic_code, slot) SELECT 1, min(code), 'empty' FROM outpatient.clinic",
		`INSERT INTO outpatient."BillingItem" ("patient id", "Unit Price", "Quantity") VALUES (1, 1, 1)`,
		"INSERT INTO emergency.incident (description) VALUES ('x')",
		"INSERT INTO emergency.visit (patient_id) VALUES (1)",
	} {
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func digest(t *testing.T, tab table, opts Options) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, tab.reader(opts)); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func TestSameSeedSameRows(t *testing.T) {
	opts := Options{Scale: 0.003, Seed: 11, Canary: canary}
	other := opts
	other.Seed++
	differ := 0
	for _, tab := range tables() {
		first := digest(t, tab, opts)
		if again := digest(t, tab, opts); again != first {
			t.Errorf("%s: the same seed made other rows", tab.name)
		}
		if digest(t, tab, other) != first {
			differ++
		}
	}
	if differ < 25 {
		t.Errorf("another seed changed only %d tables", differ)
	}
}

// TestSmallReads reads a byte at a time: what a row is must not depend on the reader's buffer.
func TestSmallReads(t *testing.T) {
	opts := Options{Seed: 3}
	tab := tables()[1]
	var got strings.Builder
	r := tab.reader(opts)
	for one := make([]byte, 1); ; {
		n, err := r.Read(one)
		got.Write(one[:n])
		if err == io.EOF {
			break
		}
	}
	want, err := io.ReadAll(tab.reader(opts))
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Error("rows differ")
	}
}

func TestOptions(t *testing.T) {
	for _, opts := range []Options{{Scale: -1}, {Jobs: -1}, {Canary: strings.Repeat("x", 65)}} {
		if opts.Validate() == nil {
			t.Errorf("%+v is taken", opts)
		}
	}
}
