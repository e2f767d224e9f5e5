package sizing

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// canary stands in every text of the test's tables; no report may hold it.
const canary = "CANARY-7f3a"

// server is the one PostgreSQL of this package's tests: its databases are source and target.
var server *cluster.Cluster

// childEnv holds the options of a measurement that a test wants to kill.
const childEnv = "REPLICATOR_SIZING_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		os.Exit(child(text))
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	c, err := cluster.Start(context.Background(), cluster.Config{InMemory: true})
	if err != nil {
		return 1, err
	}
	defer c.Close()
	server = c
	return m.Run(), nil
}

// child measures the path and kills itself when a part begins.
func child(text string) int {
	if text == tempChild {
		return dieWithTemp()
	}
	var o struct {
		Options
		KillAt string
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	o.Tell = func(what string) {
		if what == o.KillAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	_, err := Run(context.Background(), AllParts, o.Options)
	fmt.Fprintln(os.Stderr, "not killed:", err)
	return int(fault.CodeOf(err))
}

// ddl is a database with every kind of table, and what is special about types and indexes.
const ddl = `
CREATE TYPE ward AS ENUM ('north', 'south');
CREATE DOMAIN code AS text CHECK (value <> '');
CREATE FUNCTION half(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2';
CREATE TABLE reading (id bigint PRIMARY KEY, device int NOT NULL, at timestamptz NOT NULL, v float8);
INSERT INTO reading SELECT i, i % 97, now(), i FROM generate_series(1, 60000) i;
CREATE INDEX ON reading (device, at);
CREATE INDEX ON reading (half(device));
CREATE TABLE person (id int PRIMARY KEY, name text COLLATE "C" NOT NULL UNIQUE, ward ward, code code, tags ward[], address text);
INSERT INTO person SELECT i, '` + canary + `' || i, 'north', 'x' || i, '{south}', repeat('` + canary + ` ', 20) FROM generate_series(1, 8000) i;
CREATE TABLE letter (id int PRIMARY KEY, person int REFERENCES person, body text);
INSERT INTO letter SELECT i, i, (SELECT string_agg('` + canary + `' || md5((i * 1000 + k)::text), '') FROM generate_series(1, 150) k) FROM generate_series(1, 700) i;
CREATE TABLE stay (person int REFERENCES person, since date, PRIMARY KEY (person, since));
INSERT INTO stay SELECT i % 8000 + 1, '2000-01-01'::date + i FROM generate_series(1, 4000) i;
CREATE TABLE nokey (a text, b int);
INSERT INTO nokey SELECT '` + canary + `', i FROM generate_series(1, 500) i;
CREATE TABLE nobody (id int PRIMARY KEY, v text);
CREATE MATERIALIZED VIEW by_device AS SELECT device, count(*) FROM reading GROUP BY device;
SELECT lo_from_bytea(0, decode(repeat('00ff', 200000), 'hex'));
CREATE TABLE "Odd "" name" (id int PRIMARY KEY, "a, b" text, g int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO "Odd "" name" SELECT i, '` + canary + `' FROM generate_series(1, 100) i;
CREATE SEQUENCE numbers`

// pair is two databases, the first with rows.
func pair(t *testing.T, sql ...string) Options {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "_", "-", "_").Replace(t.Name()))
	var o Options
	for _, side := range []*string{&o.Source, &o.Target} {
		dsn, err := server.CreateDatabase(t.Context(), fmt.Sprintf("%s_%d", name, len(o.Source)))
		if err != nil {
			t.Fatal(err)
		}
		*side = dsn
	}
	for _, s := range sql {
		on(t, o.Source, s)
	}
	o.Jobs, o.Duration = 2, 8*time.Second
	return o
}

func connect(t *testing.T, dsn string) *pg.Conn {
	t.Helper()
	c, err := pg.Connect(t.Context(), pg.Config{DSN: dsn, Name: "test", Settings: map[string]string{"search_path": "public"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func on(t *testing.T, dsn, sql string) {
	t.Helper()
	c := connect(t, dsn)
	defer c.Close()
	if err := c.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%v in %.100s", err, sql)
	}
}

// objects lists everything that somebody could leave behind in a database or its server.
func objects(t *testing.T, dsn string) []string {
	t.Helper()
	c := connect(t, dsn)
	defer c.Close()
	rows, err := c.Query(t.Context(), `
		SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_(temp|toast_temp)_'
		UNION ALL SELECT 'relation ' || n.nspname || '.' || relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_'
		UNION ALL SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE oid >= 16384
		UNION ALL SELECT 'type ' || oid::regtype FROM pg_type WHERE oid >= 16384
		UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database = current_database()
		UNION ALL SELECT 'publication ' || pubname FROM pg_publication
		UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger
		UNION ALL SELECT 'setting ' || s FROM pg_db_role_setting, unnest(setconfig) s
			WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
		UNION ALL SELECT 'lock ' || locktype FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]string, len(rows))
	for i, r := range rows {
		list[i] = r[0]
	}
	slices.Sort(list)
	return list
}

// unchanged fails where a database has other objects than before.
func unchanged(t *testing.T, dsn string, before []string) {
	t.Helper()
	after := objects(t, dsn)
	for _, o := range after {
		if !slices.Contains(before, o) {
			t.Errorf("left behind: %s", o)
		}
	}
	for _, o := range before {
		if !slices.Contains(after, o) {
			t.Errorf("gone: %s", o)
		}
	}
}
