package replicator_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"replicator/replicator/pg"
)

// canary stands in every text value that the tests write; no output of ours may hold it (I12).
const canary = "CANARY-7f3a9"

// hammerSchema is a table set on which every rule of chunks and changes can be broken.
const hammerSchema = `
CREATE SCHEMA h;
-- cut by key ranges; keys move, TOAST values stay unchanged
CREATE TABLE h.note (id bigint PRIMARY KEY, ver int NOT NULL DEFAULT 0, body text, big text, UNIQUE (body));
ALTER TABLE h.note ALTER big SET STORAGE EXTERNAL;
CREATE INDEX note_ver ON h.note (ver) WHERE ver > 3;
-- sum constant: accounts of one bank
CREATE TABLE h.account (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance > -1000000), memo text);
-- random keys: cut by blocks under one snapshot
CREATE TABLE h.random (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, pad text);
-- text key, composite key, key by another index
CREATE TABLE h.named (name text PRIMARY KEY, n int NOT NULL, pad text);
CREATE TABLE h.pair (a int, b text, n int, PRIMARY KEY (a, b));
CREATE TABLE h.other (id int, code text NOT NULL, n int);
CREATE UNIQUE INDEX other_code ON h.other (code);
ALTER TABLE h.other REPLICA IDENTITY USING INDEX other_code;
-- emptied now and then
CREATE TABLE h.queue (id bigserial PRIMARY KEY, pad text);
CREATE TABLE h.queue_item (id bigserial PRIMARY KEY, queue bigint REFERENCES h.queue ON DELETE CASCADE, pad text);
-- unique values wander between rows of different chunks
CREATE TABLE h.bed (id int PRIMARY KEY, patient int UNIQUE DEFERRABLE INITIALLY DEFERRED, label text UNIQUE, pad text);
-- only this shows a change that is applied twice
CREATE TABLE h.log (at timestamptz DEFAULT clock_timestamp(), who int, what text);
ALTER TABLE h.log REPLICA IDENTITY FULL;
-- partitions with row movement, generated and identity columns
CREATE TABLE h.obs (id int GENERATED ALWAYS AS IDENTITY, month int NOT NULL, val numeric, dbl numeric GENERATED ALWAYS AS (val * 2) STORED,
	tags text[], PRIMARY KEY (id, month)) PARTITION BY RANGE (month);
CREATE TABLE h.obs_1 PARTITION OF h.obs FOR VALUES FROM (1) TO (4);
CREATE TABLE h.obs_4 PARTITION OF h.obs FOR VALUES FROM (4) TO (8);
CREATE TABLE h.obs_8 PARTITION OF h.obs FOR VALUES FROM (8) TO (13);
-- without identity, and without WAL: late
CREATE TABLE h.audit (at timestamptz DEFAULT clock_timestamp(), what text);
CREATE UNLOGGED TABLE h.cache (id int PRIMARY KEY, v text);
CREATE SEQUENCE h.ticket INCREMENT 7 START 100;
CREATE FUNCTION h.audit_fn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO h.audit (what) VALUES (TG_OP || ' ' || current_setting('h.canary', true)); RETURN NULL; END $$;
CREATE TRIGGER account_audit AFTER INSERT OR UPDATE ON h.account FOR EACH ROW EXECUTE FUNCTION h.audit_fn();
ALTER TABLE h.account ENABLE ALWAYS TRIGGER account_audit;
CREATE VIEW h.rich AS SELECT id FROM h.account WHERE balance > 1000;
CREATE MATERIALIZED VIEW h.totals AS SELECT count(*) AS n, sum(balance) AS s FROM h.account;
-- who writes is no superuser: a fence that holds the wards must hold this role
GRANT USAGE ON SCHEMA h TO ward;
GRANT ALL ON ALL TABLES IN SCHEMA h TO ward;
GRANT ALL ON ALL SEQUENCES IN SCHEMA h TO ward;
ALTER FUNCTION h.audit_fn() SECURITY DEFINER;
`

// hammerRows fills the tables; n scales them.
func hammerRows(n int) string {
	return fmt.Sprintf(`
INSERT INTO h.note SELECT i * 10, 0, '%[2]s note ' || i, CASE WHEN i %% 7 = 0 THEN repeat('%[2]s' || i, 300) END FROM generate_series(1, %[1]d) i;
INSERT INTO h.account SELECT i, 1000, '%[2]s' FROM generate_series(1, 200) i;
INSERT INTO h.random (n, pad) SELECT i, repeat('%[2]s', 5) FROM generate_series(1, %[1]d) i;
INSERT INTO h.named SELECT '%[2]s ' || i, i, repeat('x', 100) FROM generate_series(1, %[1]d) i;
INSERT INTO h.pair SELECT i / 3, '%[2]s ' || i %% 3, i FROM generate_series(1, %[1]d) i;
INSERT INTO h.other SELECT i, '%[2]s' || i, i FROM generate_series(1, 500) i;
INSERT INTO h.bed SELECT i, i, '%[2]s bed ' || i, repeat('p', 200) FROM generate_series(1, %[1]d) i;
INSERT INTO h.obs (month, val, tags) SELECT 1 + i %% 12, i, ARRAY['%[2]s', i::text] FROM generate_series(1, %[1]d) i;
INSERT INTO h.cache SELECT i, '%[2]s' FROM generate_series(1, 100) i;
ANALYZE;`, n, canary)
}

// hammer writes to the tables from several sessions until it is told to stop.
type hammer struct {
	dsn     string // of role ward
	owner   string
	seed    uint64
	n       int
	wg      sync.WaitGroup
	cancel  context.CancelFunc
	commits atomic.Int64
}

func startHammer(t *testing.T, dsn string, seed uint64, workers, n int) *hammer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h := &hammer{dsn: strings.Replace(dsn, "//postgres@", "//ward@", 1), owner: dsn, seed: seed, n: n, cancel: cancel}
	for w := range workers {
		h.wg.Add(1)
		go func() {
			defer h.wg.Done()
			h.work(ctx, rand.New(rand.NewPCG(seed, uint64(w))))
		}()
	}
	t.Cleanup(h.stop)
	return h
}

// stop ends the load and the prepared transactions that nobody came to commit.
func (h *hammer) stop() {
	h.cancel()
	h.wg.Wait()
	ctx := context.Background()
	c, err := pg.Connect(ctx, pg.Config{DSN: h.owner, Name: "test"})
	if err != nil {
		return
	}
	defer c.Close()
	rows, _ := c.Query(ctx, "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
	for _, r := range rows {
		_ = c.Exec(ctx, "ROLLBACK PREPARED "+pg.Literal(r[0]))
	}
}

// work runs transactions; a failure is rolled back and forgotten: only what commits counts.
func (h *hammer) work(ctx context.Context, r *rand.Rand) {
	var conn *pgconn.PgConn
	defer func() {
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	for ctx.Err() == nil {
		if conn == nil || conn.IsClosed() {
			c, err := h.connect(ctx, r)
			if err != nil {
				select {
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
				}
				continue
			}
			conn = c
		}
		if err := h.transaction(ctx, conn, r); err != nil {
			if !conn.IsClosed() {
				_ = run(context.WithoutCancel(ctx), conn, "ROLLBACK")
			}
			continue
		}
		h.commits.Add(1)
	}
}

// connect opens a session as the application would: nothing of it is pinned.
func (h *hammer) connect(ctx context.Context, r *rand.Rand) (*pgconn.PgConn, error) {
	return pgconn.Connect(ctx, h.dsn+"&application_name=ward&search_path=h&lock_timeout=1000&h.canary="+canary+"&synchronous_commit="+[]string{"on", "off"}[r.IntN(2)])
}

func (h *hammer) transaction(ctx context.Context, c *pgconn.PgConn, r *rand.Rand) error {
	if err := run(ctx, c, "BEGIN"); err != nil {
		return err
	}
	for range 1 + r.IntN(6) {
		sql := h.statement(r)
		if r.IntN(5) == 0 {
			sql = "SAVEPOINT s; " + sql + "; ROLLBACK TO SAVEPOINT s; " + h.statement(r)
		}
		if err := run(ctx, c, sql); err != nil {
			return err
		}
	}
	switch r.IntN(40) {
	case 0: // a long transaction
		if err := run(ctx, c, "SELECT pg_sleep(0.3)"); err != nil {
			return err
		}
	case 1: // prepared, committed by whoever comes
		id := fmt.Sprintf("h%d", r.Uint64())
		if err := run(ctx, c, "PREPARE TRANSACTION '"+id+"'"); err != nil {
			return err
		}
		// Two messages: it cannot stand in a transaction. What a lost session leaves behind would
		// rightly hold up everything, so it is committed on the next.
		for run(context.WithoutCancel(ctx), c, "COMMIT PREPARED '"+id+"'") != nil {
			fresh, err := h.connect(ctx, r)
			if err != nil {
				return err
			}
			defer fresh.Close(context.WithoutCancel(ctx))
			c = fresh
		}
		return nil
	case 2: // more than 64 subtransactions
		sql := ""
		for range 70 {
			sql += "SAVEPOINT x; " + h.statement(r) + ";"
		}
		if err := run(ctx, c, sql); err != nil {
			return err
		}
	}
	return run(ctx, c, "COMMIT")
}

func run(ctx context.Context, c *pgconn.PgConn, sql string) error {
	_, err := c.Exec(ctx, sql).ReadAll()
	return err
}

// statement is one random change. Keys are drawn so that they meet existing rows, new rows, and
// each other.
func (h *hammer) statement(r *rand.Rand) string {
	key := func() int { return 10 * (1 + r.IntN(h.n)) }
	switch r.IntN(22) {
	case 0:
		return fmt.Sprintf("INSERT INTO note VALUES (%d, 0, '%s new ' || %d, repeat('%s', 200)) ON CONFLICT DO NOTHING", 10*h.n+r.IntN(10*h.n), canary, r.Uint32(), canary)
	case 1, 2, 3:
		return fmt.Sprintf("UPDATE note SET ver = ver + 1 WHERE id = %d", key())
	case 4: // the key moves, the TOAST value does not travel
		return fmt.Sprintf("UPDATE note SET id = %d WHERE id = %d AND NOT EXISTS (SELECT FROM note WHERE id = %[1]d)", 10*(1+r.IntN(2*h.n))+r.IntN(10), key())
	case 5:
		return fmt.Sprintf("DELETE FROM note WHERE id = %d", key())
	case 6:
		return fmt.Sprintf("UPDATE note SET big = repeat('%s%d', %d) WHERE id = %d", canary, r.IntN(9), r.IntN(600), key())
	case 7, 8:
		from, to, sum := 1+r.IntN(200), 1+r.IntN(200), r.IntN(50)
		return fmt.Sprintf("UPDATE account SET balance = balance + CASE WHEN id = %d THEN -%d ELSE %[2]d END WHERE id IN (%[1]d, %d) AND %[1]d <> %[3]d", from, sum, to)
	case 9:
		return fmt.Sprintf("INSERT INTO random (n, pad) VALUES (%d, '%s')", r.IntN(1000), canary)
	case 10:
		return fmt.Sprintf("UPDATE random SET n = n + 1 WHERE n = %d", r.IntN(h.n))
	case 11:
		return fmt.Sprintf("DELETE FROM random WHERE n = %d", r.IntN(h.n))
	case 12:
		return fmt.Sprintf("UPDATE named SET name = '%s r' || %d, n = n + 1 WHERE name = '%[1]s %d'", canary, r.Uint32(), 1+r.IntN(h.n))
	case 13:
		return fmt.Sprintf("INSERT INTO pair VALUES (%d, '%s %d', %d) ON CONFLICT (a, b) DO UPDATE SET n = pair.n + 1", r.IntN(h.n), canary, r.IntN(4), r.IntN(100))
	case 14:
		return fmt.Sprintf("UPDATE other SET code = code || 'x', n = n + 1 WHERE id = %d AND length(code) < 60", 1+r.IntN(500))
	case 15:
		return fmt.Sprintf("WITH q AS (INSERT INTO queue (pad) VALUES ('%s') RETURNING id) INSERT INTO queue_item (queue, pad) SELECT id, '%[1]s' FROM q, generate_series(1, 3)", canary)
	case 16:
		if r.IntN(20) == 0 {
			return []string{"TRUNCATE queue CASCADE", "TRUNCATE queue_item", "TRUNCATE queue, queue_item RESTART IDENTITY", "TRUNCATE obs_4"}[r.IntN(4)]
		}
		return "DELETE FROM queue WHERE id = (SELECT min(id) FROM queue)"
	case 17: // two beds swap patients; labels wander to another bed
		a, b := 1+r.IntN(h.n), 1+r.IntN(h.n)
		if r.IntN(2) == 0 {
			return fmt.Sprintf("UPDATE bed SET patient = CASE id WHEN %d THEN (SELECT patient FROM bed WHERE id = %d) ELSE (SELECT patient FROM bed WHERE id = %[1]d) END WHERE id IN (%[1]d, %[2]d) AND %[1]d <> %[2]d", a, b)
		}
		return fmt.Sprintf("WITH o AS (UPDATE bed SET label = NULL WHERE id = %d RETURNING id), l AS (SELECT label FROM bed WHERE id = %[1]d) SELECT 1 FROM o; UPDATE bed SET label = '%[3]s moved %[4]d' WHERE id = %[2]d", a, b, canary, r.IntN(h.n))
	case 18:
		return fmt.Sprintf("INSERT INTO log (who, what) SELECT %d, '%s' FROM generate_series(1, %d)", r.IntN(5), canary, 1+r.IntN(3))
	case 19:
		return fmt.Sprintf("DELETE FROM log WHERE ctid = (SELECT ctid FROM log WHERE who = %d LIMIT 1)", r.IntN(5))
	case 20: // a row moves to another partition
		return fmt.Sprintf("UPDATE obs SET month = %d, val = val + 1 WHERE id = %d", 1+r.IntN(12), 1+r.IntN(h.n))
	default:
		return fmt.Sprintf("INSERT INTO obs (month, val, tags) VALUES (%d, %d, ARRAY['%s']); SELECT nextval('ticket')", 1+r.IntN(12), r.IntN(1000), canary)
	}
}
