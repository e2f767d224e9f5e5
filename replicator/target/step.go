package target

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// stepsPerTransaction bounds the locks that one transaction of schema steps takes:
// max_locks_per_transaction is 64 by default.
const stepsPerTransaction = 32

// Steps implements End. A group that fails is run again step by step, to find and name the one.
func (l *Local) Steps(ctx context.Context, steps []schema.Step) ([]string, error) {
	var notes []string
	for group := range slices.Chunk(steps, stepsPerTransaction) {
		err := l.transaction(ctx, l.plain, func(c *pg.Conn) error {
			for i := range group {
				if err := l.runStep(ctx, c, &group[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			n, err := l.oneByOne(ctx, group)
			notes = append(notes, n...)
			if err != nil {
				return notes, err
			}
		}
	}
	return notes, nil
}

func (l *Local) oneByOne(ctx context.Context, steps []schema.Step) ([]string, error) {
	var notes []string
	for i := range steps {
		note, err := l.step(ctx, &steps[i])
		if note != "" {
			notes = append(notes, note)
		}
		if err != nil {
			return notes, err
		}
	}
	return notes, nil
}

// Step implements End. However many are asked for, Config.StepJobs run at once, in the order in which
// they came.
func (l *Local) Step(ctx context.Context, s *schema.Step) (string, error) {
	select {
	case l.steps <- struct{}{}:
		defer func() { <-l.steps }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	return l.step(ctx, s)
}

func (l *Local) step(ctx context.Context, s *schema.Step) (string, error) {
	err := l.transaction(ctx, l.plain, func(c *pg.Conn) error { return l.runStep(ctx, c, s) })
	if err == nil {
		return "", nil
	}
	if s.Stands(pg.State(err)) {
		return "", l.transaction(ctx, l.plain, func(c *pg.Conn) error {
			_, err := l.markStep(ctx, c, s)
			return err
		})
	}
	if slices.Contains(s.Tolerate, pg.State(err)) {
		why := err.Error()
		return s.Name + " left out: " + why, l.transaction(ctx, l.plain, func(c *pg.Conn) error {
			fresh, err := l.markStep(ctx, c, s)
			if err != nil || !fresh {
				return err
			}
			_, err = c.Query(ctx, "UPDATE replicator.step SET note = $3 WHERE job = $1 AND step = $2", l.cfg.Job, s.ID, why)
			return err
		})
	}
	return "", stepError(s, err)
}

// stepError says what a person can do about a step that failed.
func stepError(s *schema.Step, err error) error {
	err = fmt.Errorf("%s %s: %w", strings.ToLower(s.Kind), s.Name, err)
	switch pg.State(err) {
	case "42501": // insufficient_privilege
		return fault.New(fault.Target, err, "grant the missing right to the target role: see replicator sql target-setup")
	case "42704", "58P01", "0A000": // undefined_object, undefined_file, feature_not_supported
		return fault.New(fault.Preflight, err, "a role, extension or type that it names is missing on the target: replicator check lists them")
	case "42P07", "42710", "42P06", "42723": // duplicate table, object, schema, function
		return fault.New(fault.Preflight, err, "the target is not empty: seed into an empty database, or with --reuse over a restored copy of this one; replicator check lists what stands in the way")
	case "23505", "23503", "23514", "23P01": // what the source upholds the target's rows break
		return fault.New(fault.Mismatch, err, "the rows on the target break what holds on the source: the copy is not what it should be; keep both sides and ask")
	}
	if pg.Lost(err) || pg.Transient(err) || fault.CodeOf(err) != fault.Unexpected {
		return err
	}
	return fault.New(fault.Target, err, "")
}

// runStep marks the step and runs it in the same transaction, so that it runs once (I8).
func (l *Local) runStep(ctx context.Context, c *pg.Conn, s *schema.Step) error {
	fresh, err := l.markStep(ctx, c, s)
	if err != nil || !fresh {
		return err
	}
	var sql strings.Builder
	for name, value := range s.Settings {
		fmt.Fprintf(&sql, "SELECT pg_catalog.set_config(%s, %s, true);\n", pg.Literal(name), pg.Literal(value))
	}
	role, err := l.asOwner(ctx, c, s)
	if err != nil {
		return err
	}
	sql.WriteString(role)
	sql.WriteString(s.SQL)
	if err := c.Exec(ctx, sql.String()); err != nil {
		return err
	}
	if role != "" {
		return c.Exec(ctx, "RESET ROLE")
	}
	return nil
}

// markStep reports whether the step had not run before.
func (l *Local) markStep(ctx context.Context, c *pg.Conn, s *schema.Step) (bool, error) {
	rows, err := c.Query(ctx, "INSERT INTO replicator.step (job, step) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1", l.cfg.Job, s.ID)
	return len(rows) == 1, err
}

// asOwner is the SET ROLE that a step needs: none where our role has the owner's rights anyway
// (superuser, or a member that inherits), the owner where we may only become it. A range type is
// the owner's work even so, unless we are a superuser, whom nobody asks whether the owner might:
// up to version 16 giving it away leaves its multirange type with whoever made it.
func (l *Local) asOwner(ctx context.Context, c *pg.Conn, s *schema.Step) (string, error) {
	if s.Owner == "" {
		return "", nil
	}
	row, err := c.Query(ctx, `SELECT pg_has_role(r.oid, 'USAGE'), pg_has_role(r.oid, 'MEMBER'), me.rolsuper
		FROM pg_roles r, pg_roles me WHERE r.rolname = $1 AND me.rolname = current_user`, s.Owner)
	if err != nil || len(row) == 0 {
		return "", err
	}
	usage, member, super := row[0][0] == "t", row[0][1] == "t", row[0][2] == "t"
	if member && (!usage || !super && isRange(s)) {
		return "SET LOCAL ROLE " + pg.Ident(s.Owner) + ";\n", nil
	}
	return "", nil
}

func isRange(s *schema.Step) bool { return s.Kind == "TYPE" && strings.Contains(s.SQL, " AS RANGE (") }

// Undo implements End.
func (l *Local) Undo(ctx context.Context, steps []schema.Step) error {
	for _, s := range slices.Backward(steps) {
		if s.Undo == "" {
			continue
		}
		err := l.transaction(ctx, l.plain, func(c *pg.Conn) error {
			rows, err := c.Query(ctx, "DELETE FROM replicator.step WHERE job = $1 AND step = $2 RETURNING 1", l.cfg.Job, s.ID)
			if err != nil || len(rows) == 0 {
				return err
			}
			role, err := l.asOwner(ctx, c, &s)
			if err != nil {
				return err
			}
			return c.Exec(ctx, role+s.Undo)
		})
		if err != nil {
			return fmt.Errorf("undo %s: %w", s.Name, err)
		}
	}
	return nil
}
