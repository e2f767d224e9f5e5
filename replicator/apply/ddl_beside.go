package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"replicator/chunker"
	"replicator/replicator/ddl"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// Statements that are no matter of a table's columns: labels of enums, and indexes.

// carryEnum adds labels to an enum that the target has. Any other change of an enum, and one of a type
// that is not there, shows at the first row that needs it.
func (a *applier) carryEnum(ctx context.Context, e *ddl.Enum) error {
	rows, err := a.query(ctx, `SELECT coalesce((SELECT array_to_json(array_agg(e.enumlabel ORDER BY e.enumsortorder)) FROM pg_enum e WHERE e.enumtypid = t.oid), '[]')
		FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = $1 AND t.typname = $2 AND t.typtype = 'e'`, e.Schema, e.Name)
	if err != nil {
		return err
	}
	var have []string
	if len(rows) == 0 || json.Unmarshal([]byte(rows[0][0]), &have) != nil {
		return nil
	}
	adds := e.Add(have)
	if len(adds) == 0 {
		return nil
	}
	if err := a.upToHere(ctx); err != nil {
		return err
	}
	restore, err := a.session.becomeOwner(ctx, e)
	if err == nil {
		err = a.session.conn.Exec(ctx, strings.Join(adds, ";\n")+";\n"+restore)
	}
	if err != nil {
		if ctx.Err() != nil || again(err) {
			return a.pieceError(ctx, err)
		}
		return a.stopBefore(ctx, fault.New(fault.Preflight, fmt.Errorf("ALTER TYPE %s ADD VALUE fails on the target: %w", e, err), "see what stands in its way there; then the same command goes on"))
	}
	a.cfg.Logger.Info("statement carried", "type", e.String(), "statement", "ALTER TYPE ADD VALUE", "commit", a.tx.commit)
	return nil
}

func (s *session) becomeOwner(ctx context.Context, e *ddl.Enum) (restore string, err error) {
	rows, err := s.query(ctx, `SELECT r.rolname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_roles r ON r.oid = t.typowner
		WHERE n.nspname = $1 AND t.typname = $2 AND NOT pg_has_role(r.oid, 'USAGE') AND pg_has_role(r.oid, 'MEMBER')`, e.Schema, e.Name)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return "SET LOCAL ROLE NONE", s.conn.Exec(ctx, "SET LOCAL ROLE "+pg.Ident(rows[0][0]))
}

// makeIndex makes an index as the source has it. One that cannot be made is left out, and the manifest
// at the fence names it; but rows that break a unique one are a mismatch.
func (a *applier) makeIndex(ctx context.Context, t *chunker.Table, x *ddl.Index) error {
	if err := a.upToHere(ctx); err != nil {
		return err
	}
	return a.tolerantly(ctx, t, "CREATE INDEX "+x.Name, x.SQL)
}

// dropIndexes drops what the command named, where the target has it.
func (a *applier) dropIndexes(ctx context.Context, m *ddl.Message) error {
	for _, o := range m.Dropped {
		if o.Kind != "index" || !o.Original {
			continue
		}
		rows, err := a.query(ctx, `SELECT tn.nspname, t.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
			JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace tn ON tn.oid = t.relnamespace
			WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'i' AND NOT c.relispartition AND NOT i.indisreplident`, o.Schema, o.Name)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			continue
		}
		t := a.relations.tables[rows[0][0]+"\x00"+rows[0][1]]
		if t == nil || t.Late() || t.KeyIndex == o.Name || a.judged(t) {
			continue // what that changes shows in the stream
		}
		if err := a.upToHere(ctx); err != nil {
			return err
		}
		if err := a.tolerantly(ctx, t, DropIndex+o.Name, "DROP INDEX "+pg.Ident(o.Schema, o.Name)); err != nil {
			return err
		}
	}
	return nil
}

// tolerantly runs a statement that is no matter of rows, as the owner of t.
func (a *applier) tolerantly(ctx context.Context, t *chunker.Table, what, sql string) error {
	s := a.session
	restore, err := s.become(ctx, t, nil)
	if err == nil {
		err = s.conn.Exec(ctx, "SAVEPOINT "+defaultSavepoint)
	}
	if err != nil {
		return a.pieceError(ctx, err)
	}
	err = s.conn.Exec(ctx, sql)
	switch {
	case err == nil:
		if err = s.conn.Exec(ctx, restore+"RELEASE SAVEPOINT "+defaultSavepoint); err == nil {
			return a.note(ctx, t, Carried{Statement: what, Table: *t})
		}
	case ctx.Err() == nil && !again(err) && pg.State(err) != "" && pg.State(err)[:2] != "23":
		a.cfg.Logger.Warn("a statement is left out: it fails on the target", "table", t.String(), "statement", what, "sqlstate", pg.State(err))
		err = s.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT "+defaultSavepoint+";"+restore+"RELEASE SAVEPOINT "+defaultSavepoint)
	}
	if err != nil {
		return a.pieceError(ctx, err)
	}
	return nil
}
