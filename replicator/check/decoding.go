package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/replicator/pg"
)

// decoding: what the source server must be set to for logical decoding.
func (r *run) decoding(ctx context.Context) error {
	r.walLevel()
	r.plugins()
	if err := r.free(ctx, "slots", "max_replication_slots", "SELECT count(*) FROM pg_replication_slots"); err != nil {
		return err
	}
	return r.free(ctx, "senders", "max_wal_senders", "SELECT count(*) FROM pg_stat_replication")
}

func (r *run) walLevel() {
	level := r.src.settings["wal_level"]
	if level == "logical" {
		r.ok("wal-level", Source, "wal_level", "logical")
		return
	}
	r.add(Finding{ID: "wal-level", Level: Must, Side: Source, Subject: "wal_level",
		Text: fmt.Sprintf("is %s and must be logical", level),
		SQL:  lines("ALTER SYSTEM SET wal_level = 'logical'", restart)})
}

// plugins: servers patched since 2026 load only the output plugins that this setting lists.
func (r *run) plugins() {
	list, has := r.src.settings["output_plugin_libraries"]
	if !has {
		return
	}
	libs := strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' || c == '"' })
	if slices.Contains(libs, "pgoutput") || slices.Contains(libs, "*") {
		r.ok("plugins", Source, "output_plugin_libraries", "allows pgoutput")
		return
	}
	libs = append(libs, "pgoutput")
	for i := range libs {
		libs[i] = pg.Literal(libs[i])
	}
	r.add(Finding{ID: "plugins", Level: Must, Side: Source, Subject: "output_plugin_libraries",
		Text: "does not allow pgoutput",
		SQL:  lines("ALTER SYSTEM SET output_plugin_libraries = "+strings.Join(libs, ", "), "SELECT pg_reload_conf()", "-- restart the server where the setting cannot be reloaded")})
}

// headroom is how far a limit is raised beyond what is needed at once.
const headroom = 4

// free: one is needed, of slots and of walsenders.
func (r *run) free(ctx context.Context, id, setting, used string) error {
	v, err := r.src.value(ctx, used)
	if err != nil {
		return err
	}
	limit, n := number(r.src.settings[setting]), number(v)
	if n < limit {
		r.ok(id, Source, setting, "%d of %d in use", n, limit)
		return nil
	}
	r.add(Finding{ID: id, Level: Must, Side: Source, Subject: setting,
		Text: fmt.Sprintf("all %d are in use", limit),
		SQL:  lines(fmt.Sprintf("ALTER SYSTEM SET %s = %d", setting, n+headroom), restart)})
	return nil
}

// slot: the name is ours to take.
func (r *run) slot(ctx context.Context) error {
	rows, err := r.src.query(ctx, "SELECT active, COALESCE(database, ''), COALESCE(plugin, 'physical') FROM pg_replication_slots WHERE slot_name = $1", r.o.Slot)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		r.ok("slot", Source, "slot", "the name %s is free", r.o.Slot)
		return nil
	}
	state := "idle"
	if rows[0][0] == "t" {
		state = "in use"
	}
	r.add(Finding{ID: "slot", Level: Must, Side: Source, Subject: "slot",
		Text: fmt.Sprintf("a slot named %s exists already (%s, %s)", r.o.Slot, rows[0][2], state),
		SQL:  lines(fmt.Sprintf("SELECT pg_drop_replication_slot(%s)", pg.Literal(r.o.Slot))),
		Hint: "if a job of ours owns it then resume that job or clean it up; else drop it or give another name with --slot-name"})
	return nil
}

// shortTimeout is the wal_sender_timeout below which a busy machine may lose its stream, in ms.
const shortTimeout = 10_000

// retention: what may take the slot away from us, and what keeps a dead engine's slot busy.
func (r *run) retention(context.Context) error {
	if v := r.src.settings["max_slot_wal_keep_size"]; v != "-1" {
		r.add(Finding{ID: "slot-keep-size", Level: Note, Side: Source, Subject: "max_slot_wal_keep_size",
			Text: fmt.Sprintf("the slot is lost, and the copy with it, when we fall behind by more than %s MB of WAL", v),
			SQL:  lines("ALTER SYSTEM SET max_slot_wal_keep_size = -1", "SELECT pg_reload_conf()"),
			Hint: "or keep it as a guard for the source's disk"})
	} else {
		r.ok("slot-keep-size", Source, "max_slot_wal_keep_size", "unlimited: watch the source's disk while the engine is down")
	}
	if v, has := r.src.settings["idle_replication_slot_timeout"]; has && v != "0" {
		r.add(Finding{ID: "slot-idle-timeout", Level: Note, Side: Source, Subject: "idle_replication_slot_timeout",
			Text: fmt.Sprintf("the slot is lost, and the copy with it, when the engine is down for longer than %s s", v),
			SQL:  lines("ALTER SYSTEM SET idle_replication_slot_timeout = 0", "SELECT pg_reload_conf()")})
	}
	timeout := number(r.src.settings["wal_sender_timeout"])
	f := Finding{ID: "wal-sender-timeout", Level: Note, Side: Source, Subject: "wal_sender_timeout"}
	switch {
	case timeout == 0:
		f.Text = "is off: after a broken connection the slot may stay busy until TCP gives up"
	case timeout < shortTimeout:
		f.Text = fmt.Sprintf("is short (%d ms): a slow link breaks the stream", timeout)
	default:
		f.Level, f.Text = OK, fmt.Sprintf("%d s", timeout/1000)
		r.add(f)
		return nil
	}
	f.SQL = lines("ALTER SYSTEM SET wal_sender_timeout = '60s'", "SELECT pg_reload_conf()")
	r.add(f)
	return nil
}
