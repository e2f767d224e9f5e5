package replicator

import (
	"context"
	"errors"
	"slices"
	"strings"

	"replicator/chunker"
	"replicator/replicator/apply"
	"replicator/replicator/ddl"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/wal"
)

// With --ddl=replicate the target end carries statements (apply/ddl.go) and keeps what they have made of
// tables. The plan follows: before anybody here sees that the target stands behind a statement, the plan
// is as of it, in the store and in memory.

// carriedRecord says how far the plan is that.
type carriedRecord struct {
	N       int64    `json:"n"`       // the number of the last statement
	Dropped []string `json:"dropped"` // indexes
	Tables  []int    `json:"tables"`  // ordinals of tables that any was about

	Renamed []schema.Renamed `json:"renamed,omitempty"`
	Former  []string         `json:"former,omitempty"` // names that were given up
	Gone    []ddl.Name       `json:"gone,omitempty"`   // dropped tables and views, as the plan of the schema calls them
}

// carries reports whether statements are carried.
func (j *job) carries() bool { return j.rec.DDL == ddlReplicate }

// The values of --ddl.
const (
	ddlStop      = "stop"
	ddlReplicate = "replicate"
)

// carriedTo is the number of the last statement that is in the plan.
func (j *job) carriedTo() (n int64, err error) {
	var r carriedRecord
	_, err = j.store.Get(keyCarried, &r)
	return r.N, err
}

// takeCarried puts tables that statements were about into the plan.
func (j *job) takeCarried(list []apply.Carried) error {
	if len(list) == 0 {
		return nil
	}
	j.looking.Lock() // nobody compares the catalog with half of it
	defer j.looking.Unlock()
	var r carriedRecord
	if _, err := j.store.Get(keyCarried, &r); err != nil {
		return err
	}
	marks := map[int]schema.Mark{}
	if _, err := j.store.Get(keyMarks, &marks); err != nil {
		return err
	}
	named := map[string]any{}
	tables, fresh := slices.Clone(j.planned()), map[int]chunker.Table{}
	for _, c := range list {
		if t := c.Table; c.N > r.N && t.Ordinal < len(tables) && tables[t.Ordinal].OID == t.OID {
			err := j.rename(&r, named, nameOf(&tables[t.Ordinal]), nameOf(&t), c.Sequences)
			if err == nil {
				err = j.drop(&r, named, c.Dropped)
			}
			if err != nil {
				return err
			}
			r.N, fresh[t.Ordinal], tables[t.Ordinal] = c.N, t, t
			if index, ok := strings.CutPrefix(c.Statement, apply.DropIndex); ok {
				r.Dropped = append(r.Dropped, "index "+t.Schema+"."+index)
			}
			j.log.Info("statement carried", "table", t.String(), "statement", c.Statement)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	var entries []chunker.Table
	for n, t := range fresh {
		entries = append(entries, t)
		delete(marks, n)
		if !slices.Contains(r.Tables, n) {
			r.Tables = append(r.Tables, n)
		}
	}
	j.o.Hook("engine: before the plan takes a statement")
	named[keyCarried], named[keyMarks] = r, marks
	if err := j.store.Amend(entries, named); err != nil {
		return err
	}
	j.o.Hook("engine: the plan has a statement")
	j.nowPlan.Store(&tables)
	j.showNames(entries)
	j.endVerification(errStatementFirst)
	return nil
}

var errStatementFirst = fault.New(fault.Interrupted, errors.New("a statement on the source has changed a table meanwhile"), "run verify again: it goes on with the tables that are left")

// checkTriggers refuses a source without the event triggers that statements are told by.
func (j *job) checkTriggers(ctx context.Context) error {
	if !j.carries() {
		return nil
	}
	conn, err := j.source.Connect(ctx, "event triggers")
	if err != nil {
		return err
	}
	defer conn.Close()
	return ddl.Standing(ctx, conn)
}

// settled are those of the changes that are no longer on their way in the stream: everything up to now
// is applied, and still the plan differs.
func (j *job) settled(ctx context.Context, conn *pg.Conn, changes []schema.Change) ([]schema.Change, error) {
	select {
	case <-j.following:
	default:
		return j.unsettled(changes), nil
	}
	if !j.carries() || len(changes) == 0 {
		return changes, nil
	}
	// No marker: one of ours behind the fence would take from what the fence's own proves.
	v, err := conn.Value(ctx, "SELECT pg_current_wal_insert_lsn()")
	if err != nil {
		return nil, err
	}
	now, err := wal.ParseLSN(v)
	if err != nil {
		return nil, err
	}
	if err := j.awaitAppliedTo(ctx, now); err != nil {
		return nil, err
	}
	again, err := j.changedTables(ctx, conn)
	if err != nil {
		return nil, err
	}
	// What is new since then may be on its way.
	return slices.DeleteFunc(again, func(c schema.Change) bool { return !slices.Contains(changes, c) }), nil
}

// unsettled are those of the changes that end a run which does not follow yet. While tables are taken through
// again the statements on all others are on their way, and apply judges them.
func (j *job) unsettled(changes []schema.Change) []schema.Change {
	j.mu.Lock()
	r := j.resync
	j.mu.Unlock()
	if !j.carries() || r == nil || r.All {
		return changes
	}
	return slices.DeleteFunc(changes, func(c schema.Change) bool {
		return !slices.ContainsFunc(r.Tables, func(n int) bool { return j.planned()[n].String() == c.Table })
	})
}

func (j *job) awaitAppliedTo(ctx context.Context, lsn wal.LSN) error {
	for {
		j.mu.Lock()
		applied, moved := j.applied, j.moved
		j.mu.Unlock()
		if applied >= lsn {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stays drops what the source's event triggers are in a dump: they are no part of the schema.
func stays(entries []schema.Entry) []schema.Entry {
	return slices.DeleteFunc(entries, func(e schema.Entry) bool {
		name := strings.TrimPrefix(e.Name, "EVENT TRIGGER ")
		return (e.Type == "EVENT TRIGGER" || e.Type == "COMMENT" && name != e.Name) && ddl.Ours(strings.Trim(name, `"`))
	})
}

// carriedAlike holds what statements were carried of against what it is on the target: there a dump of the
// source tells of changes that the target has as well. What the target lacks is an item.
func (j *job) carriedAlike(ctx context.Context, items []schema.Item) ([]schema.Item, error) {
	if !j.carries() {
		return items, nil
	}
	r, tables, err := j.carriedTables(ctx)
	if err != nil {
		return nil, err
	}
	here, there, err := j.bothStanding(ctx, tables)
	if err != nil {
		return nil, err
	}
	compared := schema.Compared(here, there)
	items = slices.DeleteFunc(items, func(i schema.Item) bool {
		return compared[i.Name] || goneSequence(i.Name, here, there) || ofTables(i.Name, tables) || slices.Contains(r.Dropped, i.Name) ||
			slices.ContainsFunc(tables, func(t chunker.Table) bool { return schema.SaidAlike(i.Name, &t, here, there) })
	})
	waits, err := j.waitingConstraints()
	if err != nil {
		return nil, err
	}
	for _, what := range schema.Unequal(here, there) {
		if !waits[what] {
			items = append(items, schema.Item{Kind: "schema", Name: what, Why: "changed on the source since the seed, and not carried", Do: "do the same on the target", Loss: true})
		}
	}
	return items, nil
}

// ofTables reports whether an item of the schema is a part of the tables: one that is compared, or made at
// the fence as it is then.
func ofTables(name string, tables []chunker.Table) bool {
	return slices.ContainsFunc(tables, func(t chunker.Table) bool {
		return name == "table "+t.String() || commentAtFence(name, &t) || slices.ContainsFunc([]string{"default ", "constraint ", "check constraint ", "fk constraint ", "table attach ", "trigger ", "rule ", "policy ", "row security "}, func(kind string) bool {
			return strings.HasPrefix(name+" ", kind+t.String()+" ")
		})
	})
}

// carriedTables are those that statements were about, with what is above them.
func (j *job) carriedTables(ctx context.Context) (r carriedRecord, tables []chunker.Table, err error) {
	if _, err := j.store.Get(keyCarried, &r); err != nil {
		return r, nil, err
	}
	for _, n := range r.Tables {
		if t := j.planned()[n]; !t.Gone {
			tables = append(tables, t)
		}
	}
	roots, err := j.roots(ctx, tables)
	return r, append(tables, roots...), err
}

// renewed are steps of the fence as the source would have them now: what was dumped at the seed may name
// columns that statements have changed.
func (j *job) renewed(ctx context.Context, steps []schema.Step) ([]schema.Step, error) {
	if !j.carries() {
		return steps, nil
	}
	names, tables, err := j.carriedTables(ctx)
	if err != nil || len(tables) == 0 {
		return steps, err
	}
	if len(names.Renamed) > 0 { // which rules and policies of other tables may name
		for _, t := range schema.Ruled(steps, j.present()) {
			if !slices.ContainsFunc(tables, func(o chunker.Table) bool { return o.OID == t.OID }) {
				tables = append(tables, t)
			}
		}
	}
	conn, err := j.source.ConnectAny(ctx, "renew")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	r, err := schema.ReadRenewal(ctx, conn, tables, steps)
	if err != nil {
		return nil, err
	}
	sel, some := r.Selection()
	if !some {
		return r.Renew(steps, nil), nil
	}
	entries, err := j.dumpSchema(ctx, "renew.dump", sel)
	if err != nil {
		return nil, err
	}
	facts, err := schema.ReadFacts(ctx, conn, sel)
	if err != nil {
		return nil, err
	}
	work, err := schema.Plan(entries, j.present(), facts)
	if err != nil {
		return nil, err
	}
	now := work.Finish
	if !j.replica {
		now = slices.Concat(work.Foreign, work.Validate, now)
	}
	return r.Renew(steps, now), nil
}

// roots are the partitioned tables above those of the plan: what is carried to leaves is carried to them.
func (j *job) roots(ctx context.Context, tables []chunker.Table) ([]chunker.Table, error) {
	conn, err := j.source.ConnectAny(ctx, "roots")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return schema.Roots(ctx, conn, tables)
}

// goneSequence reports whether an item is a sequence that neither side has.
func goneSequence(name string, here, there []schema.Definition) bool {
	sequence, ok := strings.CutPrefix(name, "sequence ")
	return ok && !slices.ContainsFunc(slices.Concat(here, there), func(d schema.Definition) bool {
		return d.Kind == "sequence" && strings.ReplaceAll(d.Name, `"`, "") == sequence
	})
}

// commentAtFence reports whether an item is a comment that is made with what it is about.
func commentAtFence(name string, t *chunker.Table) bool {
	return slices.ContainsFunc([]string{"TRIGGER ", "RULE ", "POLICY "}, func(kind string) bool {
		return strings.HasPrefix(name, "comment "+t.Schema+"."+kind) && (strings.HasSuffix(name, " ON "+t.Name) || strings.HasSuffix(name, " ON "+pg.Ident(t.Name)))
	})
}

// bothStanding is what the tables are made of, on both sides.
func (j *job) bothStanding(ctx context.Context, tables []chunker.Table) (here, there []schema.Definition, err error) {
	if there, err = j.end.Standing(ctx, tables); err != nil {
		return nil, nil, err
	}
	conn, err := j.source.ConnectAny(ctx, "definitions")
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	here, err = schema.Standing(ctx, conn, tables)
	return here, there, err
}

// waitingConstraints are those that are made at the fence, as schema.Unequal names them.
func (j *job) waitingConstraints() (map[string]bool, error) {
	waits := map[string]bool{}
	steps, err := (&finisher{job: j}).finishSteps()
	for _, s := range steps {
		if strings.HasPrefix(s.ID, "ADD CHECK ") {
			waits["constraint "+s.Name] = true
		} else if i := strings.LastIndexByte(s.Name, ' '); i > 0 && (s.Kind == "CHECK CONSTRAINT" || s.Kind == "FK CONSTRAINT") {
			waits["constraint "+s.Name[:i]+"."+s.Name[i+1:]] = true
		}
	}
	return waits, err
}
