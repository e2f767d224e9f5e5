package apply

import (
	"context"

	"replicator/replicator/pg"
)

// truncate is a TRUNCATE that is due: for whole tables in one statement, since a foreign key
// between two of them is allowed only then; for tables of which some chunks have seen it
// already, as a delete of the others' rows.
type truncate struct {
	whole   []*relation
	parts   []part
	restart bool // RESTART IDENTITY
}

// part is the rows of one chunk.
type part struct {
	rel   *relation
	chunk int
}

// collectTruncate appends the TRUNCATE in a.msg. The set is what the source truncated in the end:
// with CASCADE it names the other tables as well, so CASCADE is not repeated on the target, where
// it could reach further.
func (a *applier) collectTruncate(ctx context.Context) error {
	t := &truncate{restart: a.msg.RestartIdentity}
	for _, id := range a.msg.Relations {
		if a.passes(id) {
			continue
		}
		rel, err := a.relation(ctx, id)
		if err != nil {
			return err
		}
		chunks, all := a.unseen(rel.table.Ordinal)
		if all {
			t.whole = append(t.whole, rel)
			continue
		}
		for _, c := range chunks {
			t.parts = append(t.parts, part{rel, c})
		}
	}
	if len(t.whole)+len(t.parts) > 0 {
		a.push(change{op: opTruncate, key: -1, row: -1, truncate: t})
	}
	return nil
}

func (x *executor) truncate(ctx context.Context, t *truncate, tx int32) error {
	if err := x.s.drain(ctx); err != nil {
		return err
	}
	if err := x.s.idle(); err != nil {
		return err
	}
	if len(t.whole) > 0 {
		if err := x.truncateWhole(ctx, t, tx); err != nil {
			return err
		}
	}
	for _, p := range t.parts {
		if err := x.deleteAll(ctx, p.rel, x.where(p.rel.table.Ordinal, p.chunk), tx); err != nil {
			return err
		}
	}
	return nil
}

const truncatePoint = "replicator_truncate"

// truncateWhole empties tables. Without the right to TRUNCATE, or with a foreign key from a table
// outside of the set, DELETE does the same more slowly.
func (x *executor) truncateWhole(ctx context.Context, t *truncate, tx int32) error {
	sql := "SAVEPOINT " + truncatePoint + "; TRUNCATE " + qualifiedNames(t.whole)
	if t.restart {
		sql += " RESTART IDENTITY"
	}
	err := x.s.conn.Exec(ctx, sql+"; RELEASE SAVEPOINT "+truncatePoint)
	switch pg.State(err) {
	case "42501", "0A000":
	default:
		return asFailure(t.whole[0], tx, err)
	}
	if err := x.s.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT "+truncatePoint+"; RELEASE SAVEPOINT "+truncatePoint); err != nil {
		return asFailure(t.whole[0], tx, err)
	}
	for _, rel := range t.whole {
		if err := x.deleteAll(ctx, rel, "", tx); err != nil {
			return err
		}
	}
	return nil
}

func (x *executor) deleteAll(ctx context.Context, rel *relation, where string, tx int32) error {
	sql := "DELETE FROM ONLY " + rel.name
	if where != "" {
		sql += " WHERE " + where
	}
	return asFailure(rel, tx, x.s.conn.Exec(ctx, sql))
}

func asFailure(rel *relation, tx int32, err error) error {
	if err == nil {
		return nil
	}
	return &failure{rel: rel, tx: tx, err: err}
}
