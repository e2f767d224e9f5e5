package check

import (
	"context"
	"fmt"
)

// triggers: those that fire even for a replica wait until catch-up.
func (r *run) triggers(ctx context.Context) error {
	rows, err := r.inScope(ctx, `SELECT `+qualified+` || '.' || t.tgname FROM pg_trigger t
			JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE t.tgenabled IN ('A', 'R') AND NOT t.tgisinternal AND c.oid = ANY ($1::oid[]) AND $2::oid[] IS NOT NULL ORDER BY 1`)
	if err != nil {
		return err
	}
	if names := column(rows, 0); len(names) > 0 {
		r.add(Finding{ID: "triggers", Level: Note, Side: Source, Subject: "triggers", Names: names,
			Text: fmt.Sprintf("%s ENABLE ALWAYS or ENABLE REPLICA, made at catch-up: %s", count(len(names), "trigger"), few(names))})
	}
	return nil
}

// eventTriggers of the target would fire at our own statements.
func (r *run) eventTriggers(ctx context.Context) error {
	rows, err := r.dst.query(ctx, "SELECT evtname, format('ALTER EVENT TRIGGER %I DISABLE', evtname) FROM pg_event_trigger WHERE evtenabled <> 'D' ORDER BY 1")
	if err != nil {
		return err
	}
	if names := column(rows, 0); len(names) > 0 {
		r.add(Finding{ID: "event-triggers", Level: Note, Side: Target, Subject: "event triggers", Names: names,
			Text: "fire when we make the schema: " + few(names), SQL: lines(column(rows, 1)...), Hint: "disable them until the move is over"})
	}
	return nil
}
