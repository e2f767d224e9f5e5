package replicator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// Statements that change a table while it moves. Most show in the stream with the next change of the
// table: apply stops before it. The others (a table that nobody writes any more, a column that was
// dropped and made again, a rewrite) show in the catalog alone: it is looked at now and then, before
// the fence, and behind it.

// changedTables tells what has become of the planned tables.
func (j *job) changedTables(ctx context.Context, conn *pg.Conn) ([]schema.Change, error) {
	j.looking.Lock()
	defer j.looking.Unlock()
	known := map[int]schema.Mark{}
	if _, err := j.store.Get(keyMarks, &known); err != nil {
		return nil, err
	}
	changes, moved, err := schema.Look(ctx, conn, j.planned(), known)
	if err == nil && moved {
		err = j.store.Put(keyMarks, known)
	}
	if err == nil {
		j.showChanges(changes)
	}
	return changes, err
}

func (j *job) showChanges(changes []schema.Change) {
	var lines []string
	for _, c := range changes {
		lines = append(lines, c.String())
	}
	j.tracker.Update(func(s *status.Status) { s.Changed = lines })
}

// refuse is the error of changes, nil without any: one line, and what to do.
func (j *job) refuse(changes []schema.Change) error {
	if len(changes) == 0 {
		return nil
	}
	var list []string
	for _, c := range changes[:min(len(changes), mostChanges)] {
		list = append(list, c.String())
	}
	text := strings.Join(list, "; ")
	if n := len(changes) - mostChanges; n > 0 {
		text += fmt.Sprintf("; and %d more: see replicator status", n)
	}
	return &changedError{fault.New(fault.Preflight, errors.New(text), fmt.Sprintf(
		"replicator resync --dir %s --table '%s' takes the table through again and leaves the others alone; or undo the statement on the source", j.o.Dir, changes[0].Table))}
}

// mostChanges bounds the line that tells of changes.
const mostChanges = 3

// changedError tells of a changed table. Of a watcher's errors it alone ends the run.
type changedError struct{ error }

func (e *changedError) Unwrap() error { return e.error }

// fatal are the changes with which rows are no longer right, or soon will not be: of tables that are
// followed. Late tables are read at the fence, so what became of them matters there.
func (j *job) fatal(changes []schema.Change) []schema.Change {
	var list []schema.Change
	for _, c := range changes {
		if c.Rows && j.isFollowed(c.Table) {
			list = append(list, c)
		}
	}
	return list
}

func (j *job) isFollowed(name string) bool {
	for i := range j.planned() {
		if j.planned()[i].String() == name && !j.planned()[i].Gone {
			return !j.planned()[i].Late()
		}
	}
	return false
}

// settleWait bounds the wait for what is on its way in the stream; the next look waits again.
const settleWait = time.Minute

// lookEvery is how often the catalog is looked at where something in it has changed, lookAnyway how
// often where nothing was counted; lookShare bounds what that takes of the source's time.
const (
	lookEvery  = 10 * time.Second
	lookAnyway = 5 * time.Minute
	lookShare  = 50
)

// catalogWrites counts what was written to the catalogs that describe tables. The counters are the
// server's statistics: they come a little late, never twice.
const catalogWrites = `SELECT COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_sys_tables
	WHERE relid IN ('pg_class'::regclass, 'pg_attribute'::regclass, 'pg_inherits'::regclass, 'pg_index'::regclass, 'pg_attrdef'::regclass)`

// lookForChanges ends the run when a followed table was changed by a statement that the stream may
// never show. While a catch-up is under way it looks for itself.
func (w *watcher) lookForChanges(ctx context.Context) error {
	writes, err := w.conn.Value(ctx, catalogWrites)
	if err != nil {
		return err
	}
	since := time.Since(w.sought)
	if since < w.rest || writes == w.writes && since < lookAnyway {
		return nil
	}
	began := time.Now()
	changes, err := w.changedTables(ctx, w.conn)
	if err != nil {
		return err
	}
	w.writes, w.sought, w.rest = writes, time.Now(), max(w.o.LookEvery, lookShare*time.Since(began))
	if !w.busy.TryLock() {
		return nil
	}
	w.busy.Unlock()
	settling, cancel := context.WithTimeout(ctx, settleWait)
	defer cancel()
	if changes, err = w.settled(settling, w.conn, w.fatal(changes)); err != nil {
		w.writes = "" // to look again soon
		return err
	}
	return w.refuse(w.fatal(changes))
}

// explain looks whether a changed table is why a run has failed, and then says so: apply and COPY see
// that something does not fit, and only the catalog tells which statement it was.
func (j *job) explain(ctx context.Context, err error) error {
	code := fault.CodeOf(err)
	if errors.As(err, new(*changedError)) || !j.met || code != fault.Preflight && code != fault.Mismatch && !missing(err) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, explainWait)
	defer cancel()
	conn, cerr := j.source.Connect(ctx, "look")
	if cerr != nil {
		return err
	}
	defer conn.Close()
	changes, cerr := j.changedTables(ctx, conn)
	if cerr != nil {
		return err
	}
	all := slices.DeleteFunc(changes, func(c schema.Change) bool { return !c.Rows })
	if dropped, derr := droppedConstraint(ctx, conn, err); derr == nil {
		all = append(all, dropped...)
	}
	if len(all) == 0 {
		return unknownValue(err)
	}
	// First the table that the error speaks of.
	slices.SortStableFunc(all, func(a, b schema.Change) int { return cmp.Compare(mentions(err, b), mentions(err, a)) })
	why := j.refuse(all)
	return fault.New(fault.Preflight, fmt.Errorf("%w: %w", why, err), fault.HintOf(why))
}

// droppedConstraint tells whether rows broke a constraint, or a unique index, that the source has no more.
func droppedConstraint(ctx context.Context, conn *pg.Conn, err error) ([]schema.Change, error) {
	var e *pg.Error
	if !errors.As(err, &e) || e.Table == "" || e.Constraint == "" {
		return nil, nil
	}
	there, qerr := conn.Value(ctx, `SELECT EXISTS (SELECT FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE n.nspname = $1 AND c.relname = $2 AND k.conname = $3)
		OR EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $3 AND c.relkind IN ('i', 'I'))`,
		e.Schema, e.Table, e.Constraint)
	if qerr != nil || there == "t" {
		return nil, qerr
	}
	return []schema.Change{{Kind: "DROP CONSTRAINT or INDEX", Table: e.Schema + "." + e.Table, What: e.Constraint, Rows: true}}, nil
}

// unknownValue is err, with what to do where a type of the target does not know a value of the source's.
func unknownValue(err error) error {
	switch pg.State(err) {
	case "22P02", "22P03", "42804": // invalid text or binary representation, datatype mismatch
		return fault.New(fault.Preflight, fmt.Errorf("ALTER TYPE: a type on the target does not know a value that the source has: %w", err),
			"run the same ALTER TYPE (ADD VALUE, or of an attribute) on the target, then the same command goes on")
	}
	return err
}

func mentions(err error, c schema.Change) int {
	if strings.Contains(err.Error(), c.Table) {
		return 1
	}
	return 0
}

// explainWait bounds the look at the source of a run that is over.
const explainWait = 10 * time.Second

// missing reports errors of a server that does not find what a statement names.
func missing(err error) bool {
	switch pg.State(err) {
	case "42703", "42P01", "3F000": // undefined_column, undefined_table, invalid_schema_name
		return true
	}
	return false
}

// drift refuses tables that are no longer what was planned.
func (j *job) drift(ctx context.Context, conn *pg.Conn) error {
	if err := j.checkPublication(ctx, conn); err != nil {
		return err
	}
	changes, err := j.changedTables(ctx, conn)
	if err != nil {
		return err
	}
	if changes, err = j.settled(ctx, conn, changes); err != nil {
		return err
	}
	return j.refuse(changes)
}
