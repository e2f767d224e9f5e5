package schema

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"strings"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// DumpConfig says what to dump and where to.
type DumpConfig struct {
	PgDump    string // path; "": the newest that [FindTools] finds
	DSN       string
	File      string // the archive, in pg_dump's custom format; replaced, readable by us only
	Selection Selection
	Extra     []string // more options for pg_dump, such as --no-tablespaces
}

// lockWait bounds how long pg_dump waits for a table that somebody has locked exclusively
// (invariant I9), dumpTries how often it starts again before the operator is told.
const (
	lockWait  = "2s"
	dumpTries = 5
)

// dumpSettings are pinned for pg_dump's sessions: one spelling of every constant in a definition,
// and no timeout or mode that the role or the database has set. pg_dump pins DateStyle and others.
var dumpSettings = map[string]string{
	"TimeZone":                            "UTC",
	"bytea_output":                        "hex",
	"standard_conforming_strings":         "on",
	"quote_all_identifiers":               "off", // its option switches it on
	"statement_timeout":                   "0",
	"lock_timeout":                        "0",
	"idle_in_transaction_session_timeout": "0",
	"default_transaction_isolation":       "read committed",
	"default_transaction_deferrable":      "off",
	"default_transaction_read_only":       "off",
}

// Dump writes the schema, without publications and subscriptions, and returns the tools that can
// read the archive. Every name is quoted, for the target may have keywords that the source has not.
//
// What pg_dump prints is not shown: it is in the server's language and may quote defaults and
// constraints, which hold what a table's owner wrote there. A failure is looked into instead:
// objects without the rights to read them are named, known conditions told.
func Dump(ctx context.Context, cfg DumpConfig) (Tools, error) {
	conn, err := pg.Connect(ctx, pg.Config{DSN: cfg.DSN, Name: "replicator schema"})
	if err != nil {
		return Tools{}, err
	}
	defer conn.Close()
	version, err := conn.Value(ctx, `SELECT current_setting('server_version_num')`)
	if err != nil {
		return Tools{}, err
	}
	tools, err := FindTools(ctx, cfg.PgDump, int(integer(version))/10000)
	if err != nil {
		return Tools{}, err
	}
	for try := 1; ; try++ {
		err = cfg.run(ctx, conn, tools)
		if err == nil || try == dumpTries || ctx.Err() != nil || !errors.Is(err, errLocked) {
			return tools, err
		}
	}
}

var errLocked = errors.New("pg_dump: a table is locked exclusively by another session")

// run is one attempt.
func (cfg DumpConfig) run(ctx context.Context, conn *pg.Conn, tools Tools) error {
	cmd, err := cfg.command(ctx, conn, tools)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(cfg.File, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) // pg_dump keeps the mode
	if err != nil {
		return fmt.Errorf("create archive: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("create archive: %w", err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return errors.Join(ctx.Err(), explain(ctx, conn, cfg.Selection, stderr.String(), err))
	}
	return nil
}

func (cfg DumpConfig) command(ctx context.Context, conn *pg.Conn, tools Tools) (*exec.Cmd, error) {
	settings := maps.Clone(dumpSettings)
	path, err := conn.Value(ctx, usersPath) // patterns without a schema mean the same as in Tables
	if err != nil {
		return nil, err
	}
	settings["search_path"] = path
	env, arg, err := environ(cfg.DSN, os.Environ(), settings)
	if err != nil {
		return nil, err
	}
	args := []string{
		"--schema-only", "--format=custom", "--file=" + cfg.File, "--encoding=UTF8", "--quote-all-identifiers",
		"--no-publications", "--no-subscriptions", "--no-password", "--lock-wait-timeout=" + lockWait,
	}
	args = append(append(args, cfg.Selection.Args()...), cfg.Extra...)
	if arg != "" {
		args = append(args, "--dbname="+arg)
	}
	cmd := exec.CommandContext(ctx, tools.Dump, args...)
	cmd.Env = env
	return cmd, nil
}

// denied is what the server says of an object that we may not read, where it speaks English.
var denied = regexp.MustCompile(`ERROR:  permission denied for ([a-z -]+ )"?([^\s"]+)`)

// explain says why pg_dump failed.
func explain(ctx context.Context, conn *pg.Conn, sel Selection, stderr string, cause error) error {
	names, err := unreadable(ctx, conn, sel)
	if err != nil {
		return errors.Join(fmt.Errorf("pg_dump: %w", cause), err)
	}
	if len(names) > 0 {
		return fault.New(fault.Preflight, fmt.Errorf("pg_dump: no right to read %s", strings.Join(names, ", ")),
			"GRANT pg_read_all_data to the source role")
	}
	if m := denied.FindStringSubmatch(stderr); m != nil {
		return fault.New(fault.Preflight, fmt.Errorf("pg_dump: permission denied for %s%s", m[1], m[2]),
			"give the source role the right to read it")
	}
	if strings.Contains(stderr, "Query was: LOCK TABLE") {
		return notLocked(ctx, conn, sel)
	}
	return fault.New(fault.Source, fmt.Errorf("pg_dump: %w", cause),
		"run pg_dump --schema-only by hand as the same role to see its reason")
}

// notLocked tells the two reasons apart why pg_dump did not get its locks: it locks all tables in one
// transaction, which may be more than the server's lock table holds.
func notLocked(ctx context.Context, conn *pg.Conn, sel Selection) error {
	oids, err := sel.oids(ctx, conn)
	if err != nil {
		return err
	}
	r, err := conn.Row(ctx, `SELECT count(*), current_setting('max_locks_per_transaction')::int
			* (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int),
			1 + count(*) / (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)
		FROM pg_class WHERE relkind IN ('r', 'p') AND oid = ANY ($1::oid[])`, oids)
	if err != nil {
		return fmt.Errorf("count locks: %w", err)
	}
	if integer(r[0]) > integer(r[1]) {
		return fault.New(fault.Preflight, fmt.Errorf("pg_dump locks %s tables at once, the source has room for about %s", r[0], r[1]),
			"set max_locks_per_transaction on the source to at least "+r[2]+" and restart it")
	}
	return fault.New(fault.Source, errLocked, "wait until it ends, or end it, and start again")
}

// unreadableShown bounds the names in a message.
const unreadableShown = 10

// unreadable names what our role may not read among what sel means.
func unreadable(ctx context.Context, conn *pg.Conn, sel Selection) ([]string, error) {
	oids, err := sel.oids(ctx, conn)
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, `SELECT n.nspname || '.' || c.relname
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = ANY ($1::oid[]) AND (NOT has_schema_privilege(n.oid, 'USAGE') OR NOT CASE c.relkind
			WHEN 'S' THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END)
		ORDER BY 1 LIMIT `+fmt.Sprint(unreadableShown), oids)
	if err != nil {
		return nil, fmt.Errorf("look for rights: %w", err)
	}
	var names []string
	for _, r := range rows {
		names = append(names, r[0])
	}
	return names, nil
}
