package apply

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"replicator/chunker"
	"replicator/replicator/ddl"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// Statements that the source's event triggers tell of (package ddl). The transaction that has one is
// applied in pieces, see big.go: what came before the statement, the statement, what comes after it, and
// the position, all in one transaction of the target, in this order. A row of replicator.ddl keeps what
// the table is from then on, so that whoever goes on from that position knows (I6, I7).

// Carried is a table as a statement has left it.
type Carried struct {
	N         int64         `json:"n"` // number of the statement in its job, from 1
	Statement string        `json:"statement"`
	Table     chunker.Table `json:"table"`
	Sequences []string      `json:"sequences,omitempty"` // that went with it to another schema
	Dropped   []ddl.Object  `json:"dropped,omitempty"`   // what went along with tables that are gone
}

// noted is what replicator.ddl keeps of it.
type noted struct {
	chunker.Table
	Sequences []string     `json:"sequences,omitempty"`
	Dropped   []ddl.Object `json:"dropped,omitempty"`
}

// DropIndex begins the Statement of one that was dropped; its name follows.
const DropIndex = "DROP INDEX "

// carrying is what the running transaction has of them.
type carrying struct {
	done     []Carried
	before   []chunker.Table // what its tables were, to take it back
	rewrites map[uint32]*ddl.Rewrite
	tree     *tree // of which not all is told yet
}

// statement takes a message of the event triggers.
func (a *applier) statement(ctx context.Context) error {
	if !a.cfg.DDL || !a.msg.Transactional || a.tx.skip || len(a.msg.Content) == 0 {
		return nil
	}
	m, err := ddl.Parse(a.msg.Content)
	if err != nil {
		return a.stopBefore(ctx, fault.New(fault.Preflight, err, "the event triggers on the source are of another version: see replicator check"))
	}
	a.tx.written = true
	err = a.carry(ctx, m)
	if refusal := (*ddl.Refusal)(nil); errors.As(err, &refusal) {
		return a.stopBefore(ctx, refused(refusal))
	}
	if errors.Is(err, errTornTree) {
		return a.stopBefore(ctx, err)
	}
	return err
}

func refused(r *ddl.Refusal) error {
	return fault.New(fault.Preflight, fmt.Errorf("%w is not carried", r),
		fmt.Sprintf("replicator resync --table '%s' takes the table through again and leaves the others alone", r.Table))
}

func (a *applier) carry(ctx context.Context, m *ddl.Message) error {
	switch {
	case m.Failed != "":
		// What it was is seen by its effects, as where nothing is told.
		a.cfg.Logger.Warn("a statement on the source could not be told", "tag", m.Tag, "sqlstate", m.Failed, "commit", a.tx.commit)
		return nil
	case m.Enum != nil:
		return a.carryEnum(ctx, m.Enum)
	case m.State != nil && (m.State.Partitioned() || m.State.Part):
		return a.carryPart(ctx, m.State)
	}
	if m.Dropped != nil {
		if err := a.dropTables(ctx, m.Dropped); err != nil {
			return err
		}
		return a.dropIndexes(ctx, m)
	}
	for _, oid := range m.Tables() {
		t := a.relations.byOID[oid]
		if t == nil || t.Late() || a.passes(oid) {
			continue
		}
		if err := a.carryTable(ctx, t, m); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) carryTable(ctx context.Context, t *chunker.Table, m *ddl.Message) error {
	judged := a.judged(t)
	switch {
	case m.State != nil:
		rewrite := a.carrying.rewrites[t.OID]
		change, err := ddl.Derive(t, m.State, rewrite)
		if err != nil {
			return err
		}
		delete(a.carrying.rewrites, t.OID)
		if judged {
			if len(change.Naming)+len(change.Actions) > 0 || rewrite != nil {
				return &ddl.Refusal{Table: t.String(), Why: strings.Join(change.Kinds, ", ") + ", while the table is copied,"}
			}
			return nil
		}
		if len(change.Naming) > 0 && slices.Contains(a.cfg.Pinned, t.Ordinal) {
			return &ddl.Refusal{Table: t.String(), Why: strings.Join(change.Kinds, ", ") + ", which a view's rule names that is made at the fence,"}
		}
		return a.alter(ctx, t, m.State, change)
	case m.Rewrite != nil:
		if a.carrying.rewrites == nil {
			a.carrying.rewrites = map[uint32]*ddl.Rewrite{}
		}
		a.carrying.rewrites[t.OID] = m.Rewrite
	case m.Index != nil && !judged && m.Index.Whole && m.Index.Valid:
		return a.makeIndex(ctx, t, m.Index)
	}
	return nil
}

// judged reports whether the table's rows are being read, under snapshots by which its changes are judged.
func (a *applier) judged(t *chunker.Table) bool {
	return a.cfg.Filter != nil && a.cfg.Filter.Judges(t.Ordinal)
}

// unexplained refuses a rewrite that no state has followed: the command was not about the table itself.
func (a *applier) unexplained() error {
	if a.carrying.tree != nil {
		return errTornTree
	}
	for oid := range a.carrying.rewrites {
		if t := a.relations.byOID[oid]; t != nil {
			return refused(&ddl.Refusal{Table: t.String(), Why: "a statement that computed its rows anew"})
		}
	}
	return nil
}

// upToHere brings to the target what came before the statement.
func (a *applier) upToHere(ctx context.Context) error {
	if !a.big && (a.win.done.txs > 0 || a.win.done.changes > 0 || a.win.end > a.position) {
		if err := a.flush(ctx); err != nil {
			return err
		}
	}
	return a.piece(ctx)
}

// alter makes a table what the state says, looks whether it has become that, and notes it.
func (a *applier) alter(ctx context.Context, t *chunker.Table, now *ddl.State, change *ddl.Change) error {
	if err := a.upToHere(ctx); err != nil {
		return err
	}
	s, entry := a.session, now.Entry(t)
	settings := map[string]string{"search_path": "pg_catalog"} // as the state spells names
	maps.Copy(settings, change.Settings)
	restore, err := s.become(ctx, t, settings)
	if err == nil {
		err = a.change(ctx, t, &entry, now, change)
	}
	if err == nil {
		err = a.setDefaults(ctx, &entry, now)
	}
	if err == nil {
		err = s.conn.Exec(ctx, restore)
	}
	if errors.As(err, new(*ddl.Refusal)) {
		return err
	}
	if err != nil {
		return a.statementError(ctx, t, change.Kinds, err)
	}
	a.cfg.Hook(StatementRan)
	if err := a.hasBecome(ctx, &entry, now); err != nil {
		return err
	}
	c := Carried{Statement: strings.Join(change.Kinds, ", "), Table: entry}
	if t.Schema != now.Schema {
		c.Sequences = now.Sequences
	}
	return a.note(ctx, t, c)
}

// change runs what is derived, and what only the catalog here can tell.
func (a *applier) change(ctx context.Context, t, entry *chunker.Table, now *ddl.State, change *ddl.Change) error {
	was, err := a.castKinds(ctx, t, change, func(c ddl.Cast) string { return c.Was })
	if err == nil {
		err = a.execAll(ctx, change.Naming)
	}
	if err == nil && change.Computed {
		err = a.dropComputed(ctx, entry, now, change)
	}
	if err == nil {
		err = a.execAll(ctx, change.Statements("ONLY "+entry.Qualified()))
	}
	if err == nil && change.Computed {
		err = a.addComputed(ctx, entry, now, change)
	}
	if err != nil {
		return err
	}
	is, err := a.castKinds(ctx, entry, change, func(c ddl.Cast) string { return c.Is })
	if err != nil {
		return err
	}
	return a.sameCasts(ctx, entry, change, was, is)
}

func (a *applier) execAll(ctx context.Context, statements []string) error {
	if len(statements) == 0 {
		return nil
	}
	return a.session.conn.Exec(ctx, strings.Join(statements, ";\n"))
}

// statementError is a server's refusal of a statement: what it says is about the schema, and the job
// stops for somebody to look; or the whole transaction is tried again.
func (a *applier) statementError(ctx context.Context, t *chunker.Table, kinds []string, err error) error {
	err = pg.Clean(err)
	if ctx.Err() != nil || again(err) {
		return a.pieceError(ctx, err)
	}
	return a.stopBefore(ctx, fault.New(fault.Preflight, fmt.Errorf("%s on table %s fails on the target: %w", strings.Join(kinds, ", "), t, err),
		fmt.Sprintf("see what stands in its way there; replicator resync --table '%s' takes the table through again", t)))
}

// statementLock bounds the wait for a table that somebody reads on the target; then the transaction is
// rolled back, so that it blocks nobody, and tried again.
const statementLock = "5s"

// become makes the session the table's owner where it may only become that, with settings for casts.
// What it returns undoes that.
func (s *session) become(ctx context.Context, t *chunker.Table, settings map[string]string) (restore string, err error) {
	rows, err := s.query(ctx, `SELECT r.rolname, pg_has_role(r.oid, 'USAGE'), pg_has_role(r.oid, 'MEMBER')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
		WHERE n.nspname = $1 AND c.relname = $2`, t.Schema, t.Name)
	if err != nil {
		return "", err
	}
	sql := "SET LOCAL lock_timeout = '" + statementLock + "';"
	restore = "SET LOCAL lock_timeout = 0;"
	if len(rows) == 1 && rows[0][1] != "t" && rows[0][2] == "t" {
		sql += "SET LOCAL ROLE " + pg.Ident(rows[0][0]) + ";"
		restore += "SET LOCAL ROLE NONE;"
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		was, err := s.conn.Value(ctx, "SELECT current_setting($1)", name)
		if err != nil {
			return "", err
		}
		sql += "SELECT pg_catalog.set_config(" + pg.Literal(name) + ", " + pg.Literal(settings[name]) + ", true);"
		restore += "SELECT pg_catalog.set_config(" + pg.Literal(name) + ", " + pg.Literal(was) + ", true);"
	}
	return restore, s.conn.Exec(ctx, sql)
}

// setDefaults makes the columns' defaults those of the state. One that names what the target lacks is
// left out: it is no matter of rows, and the manifest at the fence names it.
func (a *applier) setDefaults(ctx context.Context, t *chunker.Table, now *ddl.State) error {
	rows, err := a.session.query(ctx, `SELECT a.attname, d.adbin IS NOT NULL, coalesce(pg_get_expr(d.adbin, d.adrelid), '')
		FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''`, t.Schema, t.Name)
	if err != nil {
		return err
	}
	have := map[string][]string{}
	for _, r := range rows {
		have[r[0]] = r[1:]
	}
	for i := range now.Columns {
		c := &now.Columns[i]
		h := have[c.Name]
		if h == nil || c.Identity != "" || (h[0] == "t") == (c.Default != nil) && (c.Default == nil || h[1] == *c.Default) {
			continue
		}
		if err := a.setDefault(ctx, t, c); err != nil {
			return err
		}
	}
	return nil
}

func (a *applier) setDefault(ctx context.Context, t *chunker.Table, c *ddl.Column) error {
	alter := "ALTER TABLE ONLY " + t.Qualified() + " ALTER COLUMN " + pg.Ident(c.Name)
	conn := a.session.conn
	if err := conn.Exec(ctx, alter+" DROP DEFAULT"); err != nil || c.Default == nil {
		return err
	}
	if err := conn.Exec(ctx, "SAVEPOINT "+defaultSavepoint); err != nil {
		return err
	}
	err := conn.Exec(ctx, alter+" SET DEFAULT "+*c.Default)
	if err == nil {
		return conn.Exec(ctx, "RELEASE SAVEPOINT "+defaultSavepoint)
	}
	if ctx.Err() != nil || again(err) {
		return err
	}
	a.cfg.Logger.Warn("a default is left out: the target lacks what it names", "table", t.String(), "column", c.Name, "sqlstate", pg.State(err))
	return conn.Exec(ctx, "ROLLBACK TO SAVEPOINT "+defaultSavepoint+"; RELEASE SAVEPOINT "+defaultSavepoint)
}

const defaultSavepoint = "replicator_default"

// hasBecome holds the target's table against the state: what was derived has to have made exactly that.
func (a *applier) hasBecome(ctx context.Context, entry *chunker.Table, now *ddl.State) error {
	have, err := a.columnsOf(ctx, entry)
	if err != nil {
		return a.pieceError(ctx, err)
	}
	same := len(have) == len(now.Columns)
	for _, c := range now.Columns {
		h, there := have[c.Name]
		same = same && there && h.kind == c.Type && h.notNull == c.NotNull
	}
	if !same {
		return &ddl.Refusal{Table: entry.String(), Why: "a statement after which the target's columns would not be the source's"}
	}
	return nil
}

// columnsOf are the columns of a table of the target that are not generated, by name.
func (a *applier) columnsOf(ctx context.Context, t *chunker.Table) (map[string]column, error) {
	list, err := readColumns(ctx, a.session, []*chunker.Table{t})
	if err != nil {
		return nil, err
	}
	have := map[string]column{}
	for _, c := range list[0] {
		if !c.generated {
			have[c.name] = c
		}
	}
	return have, nil
}

// note keeps in the target what the table is from now on, and goes on with that.
func (a *applier) note(ctx context.Context, t *chunker.Table, c Carried) error {
	raw, err := json.Marshal(noted{c.Table, c.Sequences, c.Dropped})
	if err != nil {
		return err
	}
	rows, err := a.session.query(ctx, `INSERT INTO replicator.ddl (job, n, tbl, lsn, statement, entry)
		SELECT $1, coalesce(max(n), 0) + 1, $2::int, $3::pg_lsn, $4, $5 FROM replicator.ddl WHERE job = $1 RETURNING n`,
		a.cfg.Job, strconv.Itoa(t.Ordinal), a.tx.commit.String(), c.Statement, string(raw))
	if err != nil {
		return a.pieceError(ctx, err)
	}
	if c.N, err = strconv.ParseInt(rows[0][0], 10, 64); err != nil {
		return err
	}
	a.carrying.before = append(a.carrying.before, *t)
	a.carrying.done = append(a.carrying.done, c)
	a.cfg.Logger.Info("statement carried", "table", t.String(), "statement", c.Statement, "commit", a.tx.commit)
	a.relations.become(c.Table)
	return nil
}

// become puts another entry of the plan in place of the one of its OID.
func (r *relations) become(t chunker.Table) {
	if was := r.byOID[t.OID]; was != nil {
		delete(r.tables, was.Schema+"\x00"+was.Name)
	}
	r.byOID[t.OID], r.tables[t.Schema+"\x00"+t.Name] = &t, &t
	if r.checked[t.OID] != nil {
		delete(r.checked, t.OID)
		r.replaced = true
	}
}

// uncarry takes back what the running transaction has carried: it comes again, or never.
func (a *applier) uncarry() {
	for _, t := range slices.Backward(a.carrying.before) {
		a.relations.become(t)
	}
	a.carrying = carrying{}
}

// hasCarried tells of what the transaction has carried that is committed now.
func (a *applier) hasCarried() {
	if len(a.carrying.done) > 0 {
		a.report.now.Carried = append(slices.Clone(a.report.now.Carried), a.carrying.done...)
	}
	a.carrying = carrying{}
}

// recall takes in what was carried before, and is not yet in the plan that the run was given.
func (a *applier) recall(ctx context.Context) error {
	if !a.cfg.DDL {
		return nil
	}
	rows, err := a.query(ctx, "SELECT n, statement, entry FROM replicator.ddl WHERE job = $1 AND n > $2::bigint AND tbl >= 0 ORDER BY n", a.cfg.Job, strconv.FormatInt(a.cfg.Carried, 10))
	if err != nil {
		return fmt.Errorf("read the statements that were carried: %w", err)
	}
	for _, r := range rows {
		var is noted
		n, err := strconv.ParseInt(r[0], 10, 64)
		if err = errors.Join(err, json.Unmarshal([]byte(r[2]), &is)); err != nil {
			return fmt.Errorf("read the statements that were carried: %w", err)
		}
		c := Carried{N: n, Statement: r[1], Table: is.Table, Sequences: is.Sequences, Dropped: is.Dropped}
		a.relations.become(c.Table)
		a.report.now.Carried = append(a.report.now.Carried, c)
	}
	if len(rows) > 0 {
		a.cfg.Progress(a.report.now)
	}
	return nil
}
