package target

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
)

// StepsPerTransaction bounds the locks that one transaction of schema steps takes:
// max_locks_per_transaction is 64 by default.
const StepsPerTransaction = 32

// Steps implements End. A group that fails is run again step by step, to find and name the one.
func (l *Local) Steps(ctx context.Context, steps []schema.Step) ([]string, error) {
	var notes []string
	for group := range slices.Chunk(steps, StepsPerTransaction) {
		n, err := l.group(ctx, group)
		notes = append(notes, n...)
		if err != nil {
			return notes, err
		}
	}
	return notes, nil
}

func (l *Local) group(ctx context.Context, steps []schema.Step) ([]string, error) {
	done, err := l.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := l.transaction(ctx, l.plain, func(c *pg.Conn) error { return l.runSteps(ctx, c, steps) }); err != nil {
		return l.oneByOne(ctx, steps)
	}
	return nil, nil
}

// turn waits until one of Config.StepJobs is free.
func (l *Local) turn(ctx context.Context) (done func(), err error) {
	select {
	case l.steps <- struct{}{}:
		return func() { <-l.steps }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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

// Step implements End. However many are asked for, Config.StepJobs of them and of the groups of Steps run
// at once, in the order in which they came.
func (l *Local) Step(ctx context.Context, s *schema.Step) (string, error) {
	done, err := l.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	return l.step(ctx, s)
}

func (l *Local) step(ctx context.Context, s *schema.Step) (string, error) {
	err := l.transaction(ctx, l.plain, func(c *pg.Conn) error { return l.runSteps(ctx, c, []schema.Step{*s}) })
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
		return fault.New(fault.Mismatch, err, "look whether rows on the source break it as well (triggers that were off, an index older than its collation), and mend them there; if none do, the copy is not what it should be: keep both sides and ask")
	}
	if pg.Lost(err) || pg.Transient(err) || fault.CodeOf(err) != fault.Unexpected {
		return err
	}
	return fault.New(fault.Target, err, "")
}

// runSteps marks steps and runs those that are new in the same transaction, so that each runs once (I8).
// It takes three messages to the server however many there are.
func (l *Local) runSteps(ctx context.Context, c *pg.Conn, steps []schema.Step) error {
	fresh, err := l.markSteps(ctx, c, steps)
	if err != nil || len(fresh) == 0 {
		return err
	}
	roles, err := l.asOwners(ctx, c, steps)
	if err != nil {
		return err
	}
	var sql strings.Builder
	var set map[string]string // what is set already: most steps of a group want the same
	for i := range steps {
		if s := &steps[i]; fresh[s.ID] {
			if !maps.Equal(set, s.Settings) {
				writeSettings(&sql, s.Settings)
				set = s.Settings
			}
			writeStep(&sql, s, roles[i])
		}
	}
	return c.Exec(ctx, sql.String())
}

// writeSettings has settings hold up to the end of the transaction.
func writeSettings(sql *strings.Builder, settings map[string]string) {
	for name, value := range settings {
		fmt.Fprintf(sql, "SELECT pg_catalog.set_config(%s, %s, true);\n", pg.Literal(name), pg.Literal(value))
	}
}

// writeStep appends a step; role is of asOwners.
func writeStep(sql *strings.Builder, s *schema.Step, role string) {
	sql.WriteString(role)
	sql.WriteString(s.SQL)
	sql.WriteString("\n;\n") // whatever it ends with, a comment included
	if role != "" {
		sql.WriteString("RESET ROLE;\n")
	}
}

// markStep reports whether the step had not run before.
func (l *Local) markStep(ctx context.Context, c *pg.Conn, s *schema.Step) (bool, error) {
	fresh, err := l.markSteps(ctx, c, []schema.Step{*s})
	return fresh[s.ID], err
}

// markSteps marks steps as run and tells those that had not run before.
func (l *Local) markSteps(ctx context.Context, c *pg.Conn, steps []schema.Step) (fresh map[string]bool, err error) {
	ids := make([]string, len(steps))
	for i := range steps {
		ids[i] = steps[i].ID
	}
	rows, err := c.Query(ctx, `INSERT INTO replicator.step (job, step) SELECT $1, unnest($2::text[])
		ON CONFLICT DO NOTHING RETURNING step`, l.cfg.Job, pg.Array(ids))
	fresh = make(map[string]bool, len(rows))
	for _, r := range rows {
		fresh[r[0]] = true
	}
	return fresh, err
}

// asOwner is asOwners of one step.
func (l *Local) asOwner(ctx context.Context, c *pg.Conn, s *schema.Step) (string, error) {
	roles, err := l.asOwners(ctx, c, []schema.Step{*s})
	if err != nil {
		return "", err
	}
	return roles[0], nil
}

// asOwners are the SET ROLEs that steps need: none where our role has the owner's rights anyway
// (superuser, or a member that inherits), the owner where we may only become it. A range type is
// the owner's work even so, unless we are a superuser, whom nobody asks whether the owner might:
// up to version 16 giving it away leaves its multirange type with whoever made it.
func (l *Local) asOwners(ctx context.Context, c *pg.Conn, steps []schema.Step) ([]string, error) {
	roles := make([]string, len(steps))
	owners := map[string]bool{}
	for i := range steps {
		if steps[i].Owner != "" {
			owners[steps[i].Owner] = true
		}
	}
	if len(owners) == 0 {
		return roles, nil
	}
	rows, err := c.Query(ctx, `SELECT r.rolname, pg_has_role(r.oid, 'USAGE'), pg_has_role(r.oid, 'MEMBER'), me.rolsuper
		FROM pg_roles r, pg_roles me WHERE r.rolname = ANY ($1::text[]) AND me.rolname = current_user`,
		pg.Array(slices.Sorted(maps.Keys(owners))))
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		usage, member, super := row[1] == "t", row[2] == "t", row[3] == "t"
		for i := range steps {
			if s := &steps[i]; s.Owner == row[0] && member && (!usage || !super && (isRange(s) || isGrant(s))) {
				roles[i] = "SET LOCAL ROLE " + pg.Ident(s.Owner) + ";\n"
			}
		}
	}
	return roles, nil
}

// isGrant: of all roles whose rights are ours PostgreSQL would take the first that may grant as the grantor.
func isGrant(s *schema.Step) bool { return s.Kind == "ACL" }

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
