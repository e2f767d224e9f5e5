package chunker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"replicator/replicator/pg"
	"replicator/wal"
)

// Export takes one snapshot of several tables, to be imported by other sessions for as long as conn
// stays in its transaction. As with [Read], the locks come before the first query.
func Export(ctx context.Context, conn *pg.Conn, tables []*Table, lockTimeout time.Duration) (export string, s wal.Snapshot, err error) {
	sql := fmt.Sprintf("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = %d", lockTimeout.Milliseconds())
	if len(tables) > 0 {
		sql += "; LOCK TABLE " + onlyThese(tables) + " IN ACCESS SHARE MODE"
	}
	if err := conn.Exec(ctx, sql); err != nil {
		rollback(ctx, conn)
		return "", s, fmt.Errorf("lock tables: %w", err)
	}
	row, err := conn.Row(ctx, "SELECT pg_export_snapshot(), pg_current_snapshot()")
	if err != nil {
		rollback(ctx, conn)
		return "", s, fmt.Errorf("export snapshot: %w", err)
	}
	s, err = wal.ParseSnapshot(row[1])
	return row[0], s, err
}

// TIDs is a list of ctids as a parameter of type tid[].
func TIDs(list []string) string {
	quoted := make([]string, len(list))
	for i, t := range list {
		quoted[i] = `"` + t + `"`
	}
	return "{" + strings.Join(quoted, ",") + "}"
}

// CopyRows is the statement that reads rows of t by their ctid, in the bytes that [CopyIn] takes.
func CopyRows(t *Table, ctids []string) string {
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s WHERE ctid = ANY (%s::tid[])) TO STDOUT (FORMAT %s)",
		t.ColumnList(), t.Qualified(), pg.Literal(TIDs(ctids)), format(t.Text))
}
