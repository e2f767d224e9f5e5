package target

import (
	"context"
	"errors"
	"fmt"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/status"
)

// The guard makes the target database read-only by default while a job runs: our sessions say
// otherwise, those of others begin without the right to write. It is no wall, as a session may set it
// back, and those that were there before it do not know of it: see [Local.Strangers].
//
// Table replicator.guard has a row for each job under it, with what was set before. That row and
// the setting change in one transaction, and so do the setting's end and the phase "open": whoever
// reads that the target is open finds it writable, whatever was killed when. Several jobs may fill one
// database. The first raises the guard; who leaves last by cleanup, or opens first, takes it down: from
// then on the database has users, and a job that still fills other tables of it goes on unguarded.

const guardTable = `CREATE TABLE IF NOT EXISTS replicator.guard (job text PRIMARY KEY, before text, raised timestamptz NOT NULL)`

// guard raises the guard, or finds it raised. It returns what people must know of it, "" where it just
// stands.
func (l *Local) guard(ctx context.Context) (note string, err error) {
	l.cfg.Hook("target: before guard")
	if err := l.lock.Exec(ctx, guardTable); err != nil {
		return "", fmt.Errorf("make table replicator.guard: %w", err)
	}
	changed := false
	err = l.transaction(ctx, l.plain, func(c *pg.Conn) (err error) {
		note, changed, err = l.raise(ctx, c)
		l.cfg.Hook("target: guard before commit")
		return err
	})
	if err != nil {
		return "", fmt.Errorf("guard the target database: %w", err)
	}
	l.cfg.Hook("target: guard after commit")
	if changed {
		// Who came until now may have missed it.
		err = l.lock.Exec(ctx, "UPDATE replicator.guard SET raised = clock_timestamp()")
	}
	return note, err
}

// raise is guard's work in a transaction.
func (l *Local) raise(ctx context.Context, c *pg.Conn) (note string, changed bool, err error) {
	if err := lockGuard(ctx, c); err != nil {
		return "", false, err
	}
	open, err := c.Query(ctx, "SELECT job FROM replicator.job WHERE phase = $1 ORDER BY job <> $2, job LIMIT 1", string(status.Open), l.cfg.Job)
	if err != nil {
		return "", false, err
	}
	if len(open) > 0 {
		if open[0][0] == l.cfg.Job {
			return "", false, nil
		}
		return unguarded + ": job " + open[0][0] + " has opened this database", false, nil
	}
	now, err := readOnly(ctx, c)
	if err != nil {
		return "", false, err
	}
	set, err := newSetter(ctx, c)
	switch {
	case err != nil:
		return "", false, err
	case !set.may():
		return notOurs(set, now), false, nil
	case now != "on":
		if err := set.set(ctx, c, "on"); err != nil {
			return "", false, err
		}
	}
	before, err := l.join(ctx, c, now)
	if before == "on" {
		note = "the target database was read-only by default before the job, and will be when it is open"
	}
	return note, now != "on", err
}

const unguarded = "writes by others on the target are not prevented"

// notOurs is for a role that may not change the setting: what it cannot take down it does not count as
// its guard, whoever put it up.
func notOurs(set setter, now string) string {
	if now == "on" {
		return "the target database is read-only by default, which our role may not change: let its owner run " + set.sql("") + " once the target is open"
	}
	return unguarded + ", as our role does not own the database: let its owner run " + set.sql("on") +
		" now, and RESET it once the target is open; or see replicator sql target-setup"
}

// join makes the job's row, if there is none, and returns what was set before the guard: the first of
// several jobs knows that.
func (l *Local) join(ctx context.Context, c *pg.Conn, now string) (before string, err error) {
	_, err = c.Query(ctx, `INSERT INTO replicator.guard (job, before, raised)
		SELECT $1::text, CASE WHEN g.job IS NULL THEN nullif($2, '') ELSE g.before END, coalesce(g.raised, clock_timestamp())
		FROM (VALUES (1)) AS one LEFT JOIN (SELECT * FROM replicator.guard ORDER BY job LIMIT 1) AS g ON true
		ON CONFLICT DO NOTHING`, l.cfg.Job, now)
	if err != nil {
		return "", err
	}
	return c.Value(ctx, "SELECT before FROM replicator.guard WHERE job = $1", l.cfg.Job)
}

// lower takes the guard down when it is time to: with all for every job, else when this was the last.
// Where the setting is not what we made it, somebody has changed it since, and their word counts. It
// returns when the guard was raised, "" where none was lowered.
func (l *Local) lower(ctx context.Context, c *pg.Conn, all bool) (raised string, err error) {
	has, err := c.Value(ctx, "SELECT to_regclass('replicator.guard') IS NOT NULL")
	if err != nil || has == "f" {
		return "", err
	}
	if err := lockGuard(ctx, c); err != nil {
		return "", err
	}
	gone, err := c.Query(ctx, "DELETE FROM replicator.guard WHERE job = $1 OR $2::boolean RETURNING before, raised", l.cfg.Job, fmt.Sprint(all))
	if err != nil || len(gone) == 0 {
		return "", err
	}
	left, err := c.Value(ctx, "SELECT count(*) FROM replicator.guard")
	if err != nil || left != "0" {
		return "", err
	}
	now, err := readOnly(ctx, c)
	before := gone[0][0]
	if err != nil || now != "on" || before == now {
		return "", err
	}
	set, err := newSetter(ctx, c)
	if err != nil {
		return "", err
	}
	if !set.may() {
		return "", fault.New(fault.Preflight, errors.New("the target database stays read-only: our role may no longer change that"),
			"let its owner run "+set.sql(before)+", then run it again")
	}
	return gone[0][1], set.set(ctx, c, before)
}

// open ends the job: the phase and the guard in one transaction.
func (l *Local) open(ctx context.Context) error {
	var raised string
	err := l.transaction(ctx, l.plain, func(c *pg.Conn) (err error) {
		if _, err := c.Query(ctx, "UPDATE replicator.job SET phase = $2 WHERE job = $1", l.cfg.Job, string(status.Open)); err != nil {
			return err
		}
		raised, err = l.lower(ctx, c, true)
		l.cfg.Hook("target: open before commit")
		return err
	})
	if err != nil {
		return err
	}
	l.cfg.Hook("target: open after commit")
	if raised == "" {
		return nil
	}
	if err := l.dismiss(ctx, raised); err != nil {
		l.cfg.Logger.Warn("sessions that began before the target was open may be read-only until they connect again", "error", err)
	}
	return nil
}

// dismiss ends idle sessions of others that began under the guard: they would stay read-only for as
// long as they live, and pools keep theirs long. Where we may not, they must connect again by
// themselves.
func (l *Local) dismiss(ctx context.Context, raised string) error {
	return l.plain.use(ctx, func(c *pg.Conn) error {
		rows, err := c.Query(ctx, `SELECT pid FROM pg_stat_activity a WHERE datname = current_database() AND backend_type = 'client backend'
			AND state = 'idle' AND backend_start >= $1::timestamptz AND NOT `+ours, raised)
		for i := 0; err == nil && i < len(rows); i++ {
			_, err = c.Query(ctx, "SELECT pg_terminate_backend($1::int)", rows[i][0])
			if pg.State(err) == "42501" {
				err = nil
			}
		}
		return err
	})
}

// lockGuard is for one at a time, always after the job's own row: two that change a database's
// settings at once fail.
func lockGuard(ctx context.Context, c *pg.Conn) error {
	return c.Exec(ctx, "LOCK TABLE replicator.guard IN SHARE ROW EXCLUSIVE MODE")
}
