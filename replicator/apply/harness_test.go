package apply

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"replicator/bench/cluster"
	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/changelog"
)

// server is the one PostgreSQL of this package's tests; every test has databases of its own.
var server *cluster.Cluster

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var version = flag.Int("pg", 0, "major version of the server; 0: Debian's")

func run(m *testing.M) (int, error) {
	flag.Parse()
	c, err := cluster.Start(context.Background(), cluster.Config{Version: *version, InMemory: true, Settings: map[string]string{
		"max_replication_slots": "200", "max_wal_senders": "10", "shared_buffers": "256MB", "max_wal_size": "4GB",
	}})
	if err != nil {
		return 1, err
	}
	defer c.Close()
	server = c
	return m.Run(), nil
}

// pair is a source database and a target database with the same schema, and a slot between them.
type pair struct {
	t        testing.TB
	src, dst *pg.Conn
	tap      *pg.Conn // reads the slot, with a walsender's settings
	dsn      string   // of the target
	name     string
	role     string // session_replication_role
	text     bool   // wire format
	cfg      Config
	log      strings.Builder
}

// databases are pairs that a test has left; making one costs more than most tests.
var databases struct {
	sync.Mutex
	made int
	idle []string
}

// take gives the name of a pair of empty databases.
func take(t testing.TB) string {
	t.Helper()
	databases.Lock()
	defer databases.Unlock()
	if n := len(databases.idle); n > 0 {
		name := databases.idle[n-1]
		databases.idle = databases.idle[:n-1]
		return name
	}
	databases.made++
	name := fmt.Sprintf("apply%d", databases.made)
	for _, end := range []string{"s", "t"} {
		if _, err := server.CreateDatabase(t.Context(), name+end); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// newPair takes two databases and makes schema in both; the plan is read from the source.
func newPair(t testing.TB, schema string) *pair {
	t.Helper()
	name := take(t)
	sdsn := server.DSN(name + "s")
	p := &pair{t: t, name: name, role: "replica", dsn: server.DSN(name + "t")}
	p.src, p.dst, p.tap = connect(t, sdsn), connect(t, p.dsn), connect(t, sdsn)
	for _, c := range []*pg.Conn{p.src, p.dst} {
		p.on(c, "SET search_path = public")
		p.on(c, schema)
	}
	p.on(p.dst, `CREATE SCHEMA replicator;
		CREATE TABLE replicator.job (job text PRIMARY KEY, epoch bigint NOT NULL);
		CREATE TABLE replicator.position (job text, shard int, lsn pg_lsn NOT NULL, PRIMARY KEY (job, shard));
		INSERT INTO replicator.job VALUES ('j', 1); INSERT INTO replicator.position VALUES ('j', 0, '0/0')`)
	p.on(p.src, "CREATE PUBLICATION p FOR ALL TABLES")
	p.on(p.src, "SELECT pg_create_logical_replication_slot('"+name+"', 'pgoutput')")
	t.Cleanup(func() {
		p.on(p.tap, "SELECT pg_drop_replication_slot('"+name+"')")
		for _, c := range []*pg.Conn{p.src, p.dst} {
			p.on(c, "ROLLBACK; DROP SCHEMA IF EXISTS public, ward, replicator CASCADE; CREATE SCHEMA public; DROP PUBLICATION IF EXISTS p")
			c.Close()
		}
		p.tap.Close()
		databases.Lock()
		databases.idle = append(databases.idle, name)
		databases.Unlock()
	})
	p.cfg = Config{
		Connect: func(ctx context.Context) (*pg.Conn, error) {
			return pg.Connect(ctx, pg.Config{DSN: p.dsn, Name: "apply", Settings: map[string]string{"session_replication_role": p.role}})
		},
		Job: "j", Epoch: 1, Tables: plan(t, sdsn),
		Logger: slog.New(slog.NewTextHandler(&p.log, nil)),
	}
	return p
}

func connect(t testing.TB, dsn string) *pg.Conn {
	t.Helper()
	c, err := pg.Connect(t.Context(), pg.Config{DSN: dsn, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// on runs SQL; both databases' contents are the test's own, so the server's text may be shown.
func (p *pair) on(c *pg.Conn, sql string) {
	p.t.Helper()
	if _, err := c.Raw().Exec(context.Background(), sql).ReadAll(); err != nil {
		p.t.Fatalf("%v\nin %.300s", err, sql)
	}
}

// source runs statements on the source, each a transaction.
func (p *pair) source(sql ...string) {
	p.t.Helper()
	for _, s := range sql {
		p.on(p.src, s)
	}
}

// both runs SQL on both sides, before the slot sees anything of it: rows there from the start.
func (p *pair) both(sql string) {
	p.t.Helper()
	p.on(p.src, sql)
	p.on(p.dst, sql)
	p.skipLog()
}

func (p *pair) skipLog() {
	p.t.Helper()
	p.pull(true)
}

// plan reads the tables the way the planner does.
func plan(t testing.TB, dsn string) []chunker.Table {
	t.Helper()
	c := connect(t, dsn)
	defer c.Close()
	rows := query(t, c, `SELECT c.oid, n.nspname, c.relname, c.relreplident,
			coalesce((SELECT string_agg(a.attname, ',' ORDER BY k.n) FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY k(att, n)
				JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.att
				WHERE i.indrelid = c.oid AND (c.relreplident = 'i' AND i.indisreplident OR c.relreplident <> 'i' AND i.indisprimary)), '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'r' AND n.nspname IN ('public', 'ward') ORDER BY n.nspname, c.relname`)
	var tables []chunker.Table
	for i, r := range rows {
		tab := chunker.Table{Ordinal: i, OID: parseOID(r[0]), Schema: r[1], Name: r[2], Identity: chunker.IdentityNone}
		if r[4] != "" {
			tab.Key, tab.Identity = strings.Split(r[4], ","), chunker.IdentityKey
		} else if r[3] == "f" {
			tab.Identity = chunker.IdentityFull
		}
		for _, col := range query(t, c, `SELECT attname, format_type(atttypid, atttypmod), atttypid, attnotnull FROM pg_attribute
			WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`, r[0]) {
			tab.Columns = append(tab.Columns, chunker.Column{Name: col[0], Type: col[1], OID: parseOID(col[2]), NotNull: col[3] == "t"})
		}
		tables = append(tables, tab)
	}
	return tables
}

func query(t testing.TB, c *pg.Conn, sql string, args ...string) [][]string {
	t.Helper()
	rows, err := c.Query(context.Background(), sql, args...)
	if err != nil {
		t.Fatalf("%v in %.200s", err, sql)
	}
	return rows
}

// record is one record for the change log.
type record struct {
	lsn  wal.LSN
	kind changelog.RecordKind
	msg  []byte
}

// pull reads what the slot has, in binary or text.
func (p *pair) pull(binary bool) []record {
	p.t.Helper()
	rows := query(p.t, p.tap, `SELECT lsn, data FROM pg_logical_slot_get_binary_changes($1::name, NULL, NULL,
		'proto_version', '2', 'publication_names', 'p', 'messages', 'true', 'binary', $2::text)`, p.name, strconv.FormatBool(binary))
	recs := make([]record, len(rows))
	for i, r := range rows {
		lsn, err := wal.ParseLSN(r[0])
		if err != nil {
			p.t.Fatal(err)
		}
		msg, err := hex.DecodeString(strings.TrimPrefix(r[1], `\x`))
		if err != nil {
			p.t.Fatal(err)
		}
		recs[i] = record{lsn, changelog.Message, msg}
	}
	return recs
}

// frames is a Source over sealed frames; io.EOF at the end, or it waits.
type frames struct {
	sealed [][]byte
	wait   bool
}

func (f *frames) Next(ctx context.Context) ([]byte, error) {
	if len(f.sealed) == 0 {
		if f.wait {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, io.EOF
	}
	next := f.sealed[0]
	f.sealed = f.sealed[1:]
	return next, nil
}

// sealAll seals records, n to a frame.
func sealAll(recs []record, n int) *frames {
	f := &frames{}
	for part := range slices.Chunk(recs, n) {
		f.sealed = append(f.sealed, seal(part))
	}
	return f
}

// try runs apply over records.
func (p *pair) try(recs []record) (Result, error) {
	return Run(p.t.Context(), p.cfg, sealAll(recs, 50))
}

// apply runs apply over what the slot has, which must succeed without a miss.
func (p *pair) apply() Result {
	p.t.Helper()
	return p.applied(p.pull(true))
}

func (p *pair) applied(recs []record) Result {
	p.t.Helper()
	res, err := p.try(recs)
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.log.String())
	}
	if len(res.Missed) > 0 {
		p.t.Fatalf("missed %v", res.Missed)
	}
	return res
}

// same fails unless all tables hold the same rows on both sides.
func (p *pair) same() {
	p.t.Helper()
	if err := p.differs(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pair) differs() error {
	for i := range p.cfg.Tables {
		t := &p.cfg.Tables[i]
		sql := fmt.Sprintf(`SELECT t::text AS r FROM ONLY %s AS t ORDER BY t::text COLLATE "C"`, t.Qualified())
		s, d := query(p.t, p.src, sql), query(p.t, p.dst, sql)
		if !slices.EqualFunc(s, d, func(a, b []string) bool { return a[0] == b[0] }) {
			return fmt.Errorf("table %s differs: source %d rows, target %d rows\n%.600q\n%.600q", t, len(s), len(d), s, d)
		}
	}
	return nil
}

// forced counts how often apply replayed in order.
func (p *pair) replays() int {
	return strings.Count(p.log.String(), "in order")
}

func (p *pair) position() wal.LSN {
	p.t.Helper()
	l, err := wal.ParseLSN(query(p.t, p.dst, "SELECT lsn FROM replicator.position")[0][0])
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

func wantCode[T error](t testing.TB, err error) T {
	t.Helper()
	var e T
	if !errors.As(err, &e) {
		t.Fatalf("have %v, want %T", err, e)
	}
	return e
}
