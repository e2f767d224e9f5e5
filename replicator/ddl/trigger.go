package ddl

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// Prefix is that of the messages.
const Prefix = "replicator.ddl"

// Version is of the functions on the source and of what they tell. It stands in the comment on the
// function, by which a foreign one is told.
const Version = "replicator ddl 6"

// The names of what is made on the source, in schema replicator.
const (
	triggerEnd     = "replicator_ddl_end"
	triggerDrop    = "replicator_ddl_drop"
	triggerRewrite = "replicator_ddl_rewrite"
)

//go:embed trigger.sql
var triggerSQL string

// Install is the SQL that a superuser runs once on the source.
func Install() string { return strings.ReplaceAll(triggerSQL, "@VERSION@", Version) }

// Remove takes it back.
func Remove() []string {
	return []string{
		"DROP EVENT TRIGGER IF EXISTS " + triggerEnd, "DROP EVENT TRIGGER IF EXISTS " + triggerDrop, "DROP EVENT TRIGGER IF EXISTS " + triggerRewrite,
		"DROP FUNCTION IF EXISTS replicator.tell_ddl(), replicator.table_states(oid[]), replicator.changed_with(oid), replicator.emit_ddl(jsonb)",
		"DROP SCHEMA IF EXISTS replicator",
	}
}

// Ours reports whether an event trigger of that name is one of these: it stays on the source.
func Ours(name string) bool {
	return name == triggerEnd || name == triggerDrop || name == triggerRewrite
}

// Standing looks whether the event triggers stand on the source, are of this version, and always fire.
func Standing(ctx context.Context, conn *pg.Conn) error {
	rows, err := conn.Query(ctx, `SELECT e.evtname, e.evtenabled, coalesce(obj_description(e.evtfoid, 'pg_proc'), '')
		FROM pg_event_trigger e WHERE e.evtname = ANY ($1::text[])`, pg.Array([]string{triggerEnd, triggerDrop, triggerRewrite}))
	if err != nil {
		return fmt.Errorf("look for the event triggers: %w", err)
	}
	why := ""
	if len(rows) < 3 {
		why = "are not there"
	}
	for _, r := range rows {
		switch {
		case r[2] != Version:
			why = "are of another version of replicator, or not its own"
		case r[1] != "A":
			why = "do not always fire: " + r[0] + " is not ENABLE ALWAYS"
		}
	}
	if why == "" {
		return nil
	}
	return fault.New(fault.Preflight, errors.New("--ddl=replicate: the event triggers on the source "+why),
		"let a superuser run what replicator sql source-setup --ddl replicate prints")
}
