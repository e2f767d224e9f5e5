package chunker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"replicator/replicator/pg"
	"replicator/wal"
)

// Reading is what was read of a chunk.
type Reading struct {
	Snapshot wal.Snapshot
	Rows     int64
	Flush    wal.LSN // the source must have flushed its WAL to here before the chunk may count; zero: it has
}

// Read copies the rows of c into w, in the bytes that COPY gives, within a short transaction of its
// own. lockTimeout bounds the wait for the table's lock; pg.Transient errors mean "try again".
//
// The lock comes before the first query, so that the snapshot is younger than any TRUNCATE or
// rewrite of the table: those are not MVCC-safe, an older snapshot would see an empty table.
// export is the snapshot to import ("" takes a new one); its [Keeper] holds the lock already.
func Read(ctx context.Context, conn *pg.Conn, t *Table, c *Chunk, export string, lockTimeout time.Duration, w io.Writer) (Reading, error) {
	var r Reading
	rest := "; SELECT pg_current_snapshot()"
	if c.Kind == Range {
		// Without statistics the planner may scan the whole heap for every range.
		rest = "; SET LOCAL enable_seqscan = off" + rest
	}
	rows, err := begin(ctx, conn, []*Table{t}, export, lockTimeout, rest)
	if err != nil {
		return r, err
	}
	defer rollback(ctx, conn)
	if r.Snapshot, err = wal.ParseSnapshot(rows[0][0]); err != nil {
		return r, err
	}
	if r.Rows, err = conn.CopyTo(ctx, w, copyTo(t, c)); err != nil {
		return r, fmt.Errorf("copy %s chunk %d: %w", t, c.Ordinal, err)
	}
	r.Flush, err = commit(ctx, conn)
	return r, err
}

// commit ends the transaction and returns to where the source must have flushed its WAL, zero if it has.
func commit(ctx context.Context, conn *pg.Conn) (wal.LSN, error) {
	rows, err := conn.Last(ctx, `COMMIT; SELECT CASE WHEN i > pg_current_wal_flush_lsn() THEN i ELSE '0/0' END
		FROM pg_current_wal_insert_lsn() i`)
	if err != nil {
		return 0, fmt.Errorf("end the reading: %w", err)
	}
	return wal.ParseLSN(rows[0][0])
}

// begin begins a transaction, locks the tables and returns the rows of what is asked after that.
func begin(ctx context.Context, conn *pg.Conn, tables []*Table, export string, lockTimeout time.Duration, rest string) ([][]string, error) {
	sql := "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
	if export != "" {
		sql += "SET TRANSACTION SNAPSHOT " + pg.Literal(export) + ";"
	}
	// The timeout stays: reading waits for locks as well, such as that of an index that is rebuilt.
	sql += fmt.Sprintf("SET LOCAL lock_timeout = %d; LOCK TABLE %s IN ACCESS SHARE MODE", lockTimeout.Milliseconds(), onlyThese(tables))
	// One message to the server is one implicit group: a failure inside leaves an aborted block. Its
	// statements run one after the other all the same: the snapshot is of the first that needs one.
	rows, err := conn.Last(ctx, sql+rest)
	if err != nil {
		rollback(ctx, conn)
		switch pg.State(err) {
		case "22023", "42704", "55000": // SET TRANSACTION SNAPSHOT, by version and moment
			err = fmt.Errorf("%w: %w", ErrSnapshot, err)
		}
		return nil, fmt.Errorf("lock %s: %w", named(tables), err)
	}
	return rows, nil
}

// onlyThese lists tables without what inherits from them.
func onlyThese(tables []*Table) string {
	names := make([]string, len(tables))
	for i, t := range tables {
		names[i] = "ONLY " + t.Qualified()
	}
	return strings.Join(names, ", ")
}

// named is what tables are called in an error.
func named(tables []*Table) string {
	if len(tables) == 1 {
		return tables[0].String()
	}
	return fmt.Sprintf("%s and %d tables more", tables[0], len(tables)-1)
}

// ErrSnapshot says that the server does not know the snapshot to import: its keeper is gone.
var ErrSnapshot = errors.New("snapshot is gone")

// rollback ends a transaction that may or may not be open; an error breaks the session, and its
// next use will say so.
func rollback(ctx context.Context, conn *pg.Conn) {
	if conn.Raw().TxStatus() != 'I' && !conn.Raw().IsClosed() {
		_ = conn.Exec(context.WithoutCancel(ctx), "ROLLBACK")
	}
}

func copyTo(t *Table, c *Chunk) string {
	where := c.Where(t)
	if where == "" {
		// COPY of a plain name reads that table's own rows only, and skips the executor.
		return fmt.Sprintf("COPY %s TO STDOUT (FORMAT %s)", t.copyName(), format(t.Text))
	}
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s WHERE %s) TO STDOUT (FORMAT %s)",
		t.ColumnList(), t.Qualified(), where, format(t.Text))
}

// CopyIn is the statement that writes rows of t, in the format that Read gives.
func CopyIn(t *Table) string {
	return fmt.Sprintf("COPY %s FROM STDIN (FORMAT %s)", t.copyName(), format(t.Text))
}

// copyName is the table with its column list; a table without columns has none.
func (t *Table) copyName() string {
	if len(t.Columns) == 0 {
		return t.Qualified()
	}
	return t.Qualified() + " (" + t.ColumnList() + ")"
}

func format(text bool) string {
	if text {
		return "text"
	}
	return "binary"
}

// Keeper holds one snapshot of one table open for readers in other sessions. It lasts as long as
// its session; when that dies the table starts over.
type Keeper struct {
	Export   string // for Read
	Snapshot wal.Snapshot
	conn     *pg.Conn
}

// Keep takes a snapshot of t, under a lock that TRUNCATE and rewrites must wait for.
func Keep(ctx context.Context, conn *pg.Conn, t *Table, lockTimeout time.Duration) (*Keeper, error) {
	rows, err := begin(ctx, conn, []*Table{t}, "", lockTimeout, "; SELECT pg_export_snapshot(), pg_current_snapshot()")
	if err != nil {
		return nil, err
	}
	k := &Keeper{Export: rows[0][0], conn: conn}
	k.Snapshot, err = wal.ParseSnapshot(rows[0][1])
	return k, err
}

// Release ends the snapshot; the session can be used again.
func (k *Keeper) Release(ctx context.Context) { rollback(ctx, k.conn) }

// AwaitFlush waits until the source has its WAL on disk up to lsn: a snapshot shows transactions
// that committed asynchronously before a crash could take them back. On a source without other
// commits nobody flushes the last bytes; after a few looks it commits a message of its own.
func AwaitFlush(ctx context.Context, conn *pg.Conn, lsn wal.LSN) error {
	if lsn.IsZero() {
		return nil
	}
	for look := 1; ; look++ {
		ok, err := conn.Value(ctx, "SELECT pg_current_wal_flush_lsn() >= $1::pg_lsn", lsn.String())
		if err != nil {
			return fmt.Errorf("read flush LSN: %w", err)
		}
		if ok == "t" {
			return nil
		}
		if look%flushLooks == 0 {
			if _, err := conn.Query(ctx, "SELECT pg_logical_emit_message(true, 'replicator.flush', '')"); err != nil {
				return fmt.Errorf("flush the source's WAL: %w", err)
			}
			continue
		}
		if err := pg.Pause(ctx, flushPause); err != nil {
			return err
		}
	}
}

const (
	flushLooks = 4
	flushPause = 5 * time.Millisecond
)
