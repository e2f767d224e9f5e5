package target

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// viewLockTimeout bounds the wait for the tables of a view: nobody but apply writes here, and apply
// stands still while a view is opened.
const viewLockTimeout = 10 * time.Second

// localView is a session that keeps an exported snapshot, and those that read under it.
type localView struct {
	keeper  *pg.Conn
	export  string
	readers *sessions
}

// View implements End.
func (l *Local) View(ctx context.Context, tables []*chunker.Table) (View, error) {
	conn, err := l.connect(ctx, "view", map[string]string{"jit": "off"})
	if err != nil {
		return nil, err
	}
	export, _, err := chunker.Export(ctx, conn, tables, viewLockTimeout)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open a view of the target: %w", err)
	}
	return &localView{keeper: conn, export: export, readers: &sessions{open: l.reader}}, nil
}

// Side implements View.
func (v *localView) Side(t *chunker.Table, text bool, jobs int, secret checksum.Secret) Side {
	s := v.scan(text, jobs, secret)
	s.Table = t
	return s
}

// Totals implements View.
func (v *localView) Totals(ctx context.Context, ask Totals) ([]checksum.Set, error) {
	return v.scan(ask.Text, ask.Jobs, ask.Secret).Totals(ctx, ask.Tables, ask.Of)
}

func (v *localView) scan(text bool, jobs int, secret checksum.Secret) *chunker.Scan {
	return &chunker.Scan{Text: text, Jobs: jobs, Snapshot: v.export, LockTimeout: viewLockTimeout, Secret: secret, Connect: v.readers.take, Release: v.readers.give}
}

// Close implements View.
func (v *localView) Close(context.Context) error {
	v.readers.close()
	return v.keeper.Close()
}

// Mend implements End.
func (l *Local) Mend(ctx context.Context, t *chunker.Table, remove []string, rows []byte) error {
	err := l.transaction(ctx, l.writers, func(c *pg.Conn) error {
		found, err := c.Query(ctx, fmt.Sprintf("WITH gone AS (DELETE FROM ONLY %s WHERE ctid = ANY ($1::tid[]) RETURNING 1) SELECT count(*) FROM gone", t.Qualified()), chunker.TIDs(remove))
		if err != nil {
			return err
		}
		if found[0][0] != fmt.Sprint(len(remove)) {
			return fault.New(fault.Mismatch, fmt.Errorf("%s of %d rows were found to be removed: somebody else writes to the target", found[0][0], len(remove)), "")
		}
		if len(rows) == 0 {
			return nil
		}
		_, err = c.CopyFrom(ctx, bytes.NewReader(rows), chunker.CopyIn(t))
		return err
	})
	if err != nil {
		return fmt.Errorf("mend %s: %w", t, err)
	}
	return nil
}
