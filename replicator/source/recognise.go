package source

import (
	"context"
	"fmt"
	"strconv"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/wal/slot"
)

// recognise holds a session's server against what the job was begun with.
func (d *Database) recognise(ctx context.Context, c *pg.Conn) error {
	row, err := c.Row(ctx, `SELECT current_database(), pg_is_in_recovery(),
		CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END`)
	if err != nil {
		return fmt.Errorf("recognise the source: %w", err)
	}
	if row[1] == "t" {
		return fmt.Errorf("the source is a standby: %w", pg.ErrClosed) // or is being promoted
	}
	if row[0] != d.Database {
		return fault.New(fault.Usage, fmt.Errorf("the source is database %s, the job moves %s", row[0], d.Database), "look at --source")
	}
	now := slot.System{ID: d.System.ID}
	timeline, err := strconv.ParseUint(row[2], 16, 32)
	if err != nil {
		return fmt.Errorf("read the source's timeline: %w", err)
	}
	now.Timeline = int(timeline)
	id, err := c.Value(ctx, "SELECT system_identifier FROM pg_control_system()")
	switch {
	case err == nil:
		now.ID = id
	case pg.State(err) != "42501": // some hosts keep it to themselves; the walsender tells it as well
		return fmt.Errorf("recognise the source: %w", err)
	}
	return d.Same(now)
}

// Same reports a cluster or timeline other than the job's as fault.PositionLost.
func (d *Database) Same(now slot.System) error {
	if now.ID == d.System.ID && now.Timeline == d.System.Timeline {
		return nil
	}
	return fault.New(fault.PositionLost, fmt.Errorf("the source is another cluster or timeline: was %s/%d, is %s/%d",
		d.System.ID, d.System.Timeline, now.ID, now.Timeline),
		"a restored or promoted source has another history: for a promoted standby replicator seed --reuse goes on with what the target holds; else run replicator cleanup and seed again")
}
