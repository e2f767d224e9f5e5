package replicator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/target"
	"replicator/wal"
)

// resyncRecord says that tables are taken through again. It is written together with their new entries
// in the plan, and goes when the target has reached a consistent point with them.
type resyncRecord struct {
	Tables []int `json:"tables"` // ordinals
	// Skip are OIDs of tables that the source has no more: what the stream still has of them is passed over.
	Skip []uint32 `json:"skip,omitempty"`
	// All says that the job had no consistent point yet: every table is judged by its snapshots.
	All        bool          `json:"all,omitempty"`
	Consistent wal.LSN       `json:"consistent"` // the point that had been reached before
	Steps      []schema.Step `json:"steps"`      // each takes tables from the target
}

// replan makes new entries of the plan for tables.
type replan struct {
	*job
	conn *pg.Conn

	old, new []chunker.Table // by the same index; new ones that are gone are marked so
	chunks   [][]chunker.Chunk
	family   *schema.Family
	skip     []uint32
	work     *schema.Work
	entries  []schema.Entry // of all that is made anew, as it is now
}

func (p *replan) all(ctx context.Context, patterns []string) error {
	if err := p.choose(ctx, patterns); err != nil {
		return err
	}
	if err := p.measure(ctx); err != nil {
		return err
	}
	return p.order(ctx)
}

// choose finds the tables that are meant, and those that have to go with them.
func (p *replan) choose(ctx context.Context, patterns []string) error {
	meant, err := schema.Named(ctx, p.conn, p.planned(), patterns)
	if err != nil {
		return fault.New(fault.Usage, err, "replicator status names the tables that have changed")
	}
	now, err := schema.Present(ctx, p.conn, p.planned())
	if err != nil {
		return err
	}
	var oids, altered []uint32
	for _, n := range meant {
		if t := now[p.planned()[n].OID]; t != nil {
			oids = append(oids, t.OID)
			if tree(&p.planned()[n], t) {
				altered = append(altered, t.OID)
			}
		}
	}
	if p.family, err = schema.ReadFamily(ctx, p.conn, append(oids, p.naming(now)...), altered); err != nil {
		return err
	}
	for i := range p.planned() {
		if slices.Contains(meant, i) || now[p.planned()[i].OID] != nil && slices.Contains(p.family.Tables, p.planned()[i].OID) {
			p.old = append(p.old, p.planned()[i])
		}
	}
	return p.others(ctx)
}

// naming are followed tables with values such as regclass: on the target those are the numbers of
// relations there, and a table that is made anew has another.
func (p *replan) naming(now map[uint32]*chunker.Table) (oids []uint32) {
	for i := range p.planned() {
		if t := &p.planned()[i]; t.Text && !t.Late() && now[t.OID] != nil {
			oids = append(oids, t.OID)
		}
	}
	return oids
}

// tree reports whether the change of a table is one of the tree that it stands in: of its columns, or of
// what is above its parent.
func tree(was, is *chunker.Table) bool {
	return schema.Columns(was) != schema.Columns(is) || was.Generated != is.Generated || !schema.SameTree(was, is)
}

// others refuses to leave out a table with which the job would stop again.
func (p *replan) others(ctx context.Context) error {
	if p.carries() {
		return nil // what changed may be on its way in the stream, and is carried then
	}
	changes, err := p.changedTables(ctx, p.conn)
	if err != nil {
		return err
	}
	var left []string
	for _, c := range p.fatal(changes) {
		if !slices.ContainsFunc(p.old, func(t chunker.Table) bool { return t.String() == c.Table }) && !slices.Contains(left, c.Table) {
			left = append(left, c.Table)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return fault.New(fault.Preflight, fmt.Errorf("other tables have changed as well, and the job would stop at them: %s", firstFew(left)), "name them, too: --table takes several, with commas between")
}

// measure reads the tables as they are now, and cuts them: each is read under one snapshot.
func (p *replan) measure(ctx context.Context) error {
	now, err := schema.Present(ctx, p.conn, p.old)
	if err != nil {
		return err
	}
	for i := range p.old {
		entry, err := p.entry(ctx, &p.old[i], now[p.old[i].OID])
		if err != nil {
			return err
		}
		p.new = append(p.new, entry)
		p.chunks = append(p.chunks, chunker.CutUnderOne(&entry, chunker.Limits{Bytes: p.rec.ChunkBytes}))
	}
	return nil
}

// entry is what the plan has from now on for a table. One that was made anew under an old name is not
// in the publication, and that is never altered: it is late.
func (p *replan) entry(ctx context.Context, old, now *chunker.Table) (chunker.Table, error) {
	find := old
	if now != nil {
		find = now
	} else {
		p.skip = append(p.skip, old.OID)
	}
	is, err := p.find(ctx, find, now != nil)
	if err != nil {
		return chunker.Table{}, err
	}
	if is == nil {
		gone := *old
		gone.Gone, gone.Bytes, gone.Pages, gone.Rows = true, 0, 0, 0
		return gone, nil
	}
	is.Ordinal = old.Ordinal
	switch {
	case now == nil || old.Late():
		is.Identity = chunker.IdentityNone
	case is.Late():
		return *is, fault.New(fault.Preflight, fmt.Errorf("table %s is published and has no replica identity: UPDATE and DELETE fail on the source", is),
			"give it a primary key, or ALTER TABLE "+is.Qualified()+" REPLICA IDENTITY FULL; then resync it")
	}
	return *is, nil
}

// find measures a table; nil says that there is none of the name. same wants it to be that very one.
func (p *replan) find(ctx context.Context, t *chunker.Table, same bool) (*chunker.Table, error) {
	there, err := p.conn.Query(ctx, "SELECT 1 FROM pg_class c WHERE c.oid = to_regclass($1) AND c.relkind = 'r'", t.Qualified())
	if err != nil || len(there) == 0 && !same {
		return nil, err
	}
	list, err := schema.Tables(ctx, p.conn, schema.Only([]chunker.Table{*t}, nil))
	if err != nil {
		return nil, err
	}
	if len(list) != 1 || same && list[0].OID != t.OID {
		return nil, fmt.Errorf("%w: table %s changes while it is looked at", errPassing, t)
	}
	return &list[0], nil
}

// order plans what the target needs for the tables.
func (p *replan) order(ctx context.Context) error {
	p.work = &schema.Work{}
	tables := slices.DeleteFunc(slices.Clone(p.new), func(t chunker.Table) bool { return t.Gone })
	if len(tables) == 0 {
		return nil
	}
	if err := p.known(); err != nil {
		return err
	}
	also := slices.Concat(p.family.Above, p.family.Views)
	entries, err := p.dumpSchema(ctx, "resync.dump", schema.Only(tables, also))
	if err != nil {
		return err
	}
	if len(p.family.Foreign) > 0 {
		var from []schema.Relation
		for i := range p.family.Foreign {
			from = append(from, p.family.Foreign[i].From)
		}
		theirs, err := p.dumpSchema(ctx, "resync.dump", schema.Only(nil, from))
		if err != nil {
			return err
		}
		entries, also = schema.AddForeign(entries, theirs, p.family.Foreign), append(also, from...)
		for i := range p.planned() {
			t := &p.planned()[i]
			if slices.ContainsFunc(from, func(r schema.Relation) bool { return r.OID == t.OID }) {
				tables = append(tables, *t)
			}
		}
	}
	p.entries = entries
	facts, err := p.facts(ctx, p.conn, schema.Only(tables, also))
	if err != nil {
		return err
	}
	p.work, err = schema.Plan(entries, tables, facts)
	return err
}

// known leaves out foreign keys of tables that were made since the plan: they come at the fence.
func (p *replan) known() error {
	have, err := p.given()
	p.family.Foreign = slices.DeleteFunc(p.family.Foreign, func(f schema.Foreign) bool { return !have[f.From.String()] })
	return err
}

// save writes new plan, new work and the record, in one batch.
func (p *replan) save() (*resyncRecord, error) {
	r := &resyncRecord{}
	if _, err := p.store.Get(keyResync, r); err != nil {
		return nil, err
	}
	var c consistentRecord
	found, err := p.store.Get(keyConsistent, &c)
	if err != nil {
		return nil, err
	}
	first := len(r.Steps) == 0
	if first {
		r.All, r.Consistent = !found || c.LSN.IsZero(), c.LSN
	} else if found { // it was on its way to its end
		r.Consistent = c.LSN
	}
	step, err := p.step(len(r.Steps))
	if err != nil {
		return nil, err
	}
	r.Steps, r.Skip = append(r.Steps, step), append(r.Skip, p.skip...)
	for i := range p.old {
		r.Tables = append(r.Tables, p.old[i].Ordinal)
	}
	slices.Sort(r.Tables)
	r.Tables = slices.Compact(r.Tables)
	p.job.work.Replace(p.old, p.work, p.family.Foreign)
	named := map[string]any{keyResync: r, keyWork: p.job.work, keyConsistent: nil, keyMarker: nil}
	if err := errors.Join(p.unprove(named), p.rebase(named)); err != nil {
		return nil, err
	}
	if err := p.store.Replan(p.new, p.chunks, named); err != nil {
		return nil, err
	}
	tables := slices.Clone(p.planned())
	for i := range p.new {
		tables[p.new[i].Ordinal] = p.new[i]
	}
	p.nowPlan.Store(&tables)
	return r, nil
}

// unprove makes void what was proved of the tables, and noted of their rewrites.
func (p *replan) unprove(named map[string]any) error {
	var notes touches
	noted, err := p.store.Get(keyTouches, &notes)
	if err != nil {
		return err
	}
	marks := map[int]schema.Mark{}
	marked, err := p.store.Get(keyMarks, &marks)
	if err != nil {
		return err
	}
	for i := range p.old {
		delete(notes.Tables, p.old[i].Ordinal)
		delete(marks, p.old[i].Ordinal)
	}
	if noted {
		named[keyTouches] = notes
	}
	if marked {
		named[keyMarks] = marks
	}
	return nil
}

// step is what takes the tables from the target.
func (p *replan) step(nth int) (schema.Step, error) {
	a := target.Anew{Steps: p.work.IDs(), Sequences: p.work.Sequences()}
	for i := range p.old {
		a.Ordinals = append(a.Ordinals, p.old[i].Ordinal)
		a.Tables = append(a.Tables, p.old[i].Qualified())
		a.Steps = append(a.Steps, analyzeID(&p.new[i]))
	}
	for i := range p.family.Above {
		a.Tables = append(a.Tables, p.family.Above[i].Qualified())
	}
	for i := range p.family.Views {
		a.Views = append(a.Views, p.family.Views[i].Qualified())
	}
	id := "RESYNC " + strconv.FormatInt(time.Now().UnixNano(), 36) + " " + strconv.Itoa(nth)
	return target.AnewStep(p.rec.Job, id, a)
}
