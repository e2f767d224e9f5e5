package schema

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"replicator/chunker"
)

// rank is a place in the order of work. An entry never runs at a lower rank than what it depends
// on: pg_dump itself moves views and functions behind the constraints that they need.
type rank int

const (
	inPre rank = iota
	inTable
	inUnique
	inConstraints
	inGrants // the end of Constraints
	inForeign
	inValidate // nothing but what foreignKey puts there
	inLate
	inFinish
	inRefresh   // Finish, once the materialized views are filled
	inFunctions // Finish, rights on functions: before, our own role must be able to run them
	inEvents    // Finish, event triggers: they would fire for our own steps
	ranks
)

// Plan puts what entries say into stages. facts and tables are of the same source; tables may be
// a part of it, as for tables made after the plan, and then entries are a dump of that part.
func Plan(entries []Entry, tables []chunker.Table, facts *Facts) (*Work, error) {
	p := newPlanner(entries, tables, facts)
	for i := range entries {
		if err := p.place(&entries[i]); err != nil {
			return nil, fmt.Errorf("plan %s %s: %w", entries[i].Type, entries[i].Name, err)
		}
	}
	p.fromTheTop()
	p.identities()
	p.checks()
	p.refreshes()
	return p.work(), nil
}

type planner struct {
	facts  *Facts
	tables map[uint32]*chunker.Table // by OID
	above  map[uint32]bool           // partitioned tables with a late leaf
	entry  map[int]*Entry            // by ID
	rank   map[int]rank              // of entries placed, by ID
	ids    map[string]int            // how often a step ID was wanted
	dumped map[uint32]bool           // OIDs of tables and materialized views that the archive has
	within map[int]int               // index of an entry's step in its list, by ID
	said   map[[2]string]string      // comments on checks that are away, by tag; "" for none
	shared map[[2]string]map[string]string
	mighty map[int]bool // entries that only a superuser can make, by ID; lacks are those and what needs them
	lacks  map[int]bool
	ruled  map[int]bool   // identity columns of partitions that the table above rules on the target, by ID
	depth  map[string]int // how many tables are above a partition that Pre attaches, by the step's ID
	late   bool           // no table has rows before the fence, as with tables made after the plan

	lists [ranks][]Step
	byTab map[rank]map[int][]Step // inTable, inUnique, inLate
	early map[int][]Step          // grants to follow an entry of Pre at once, by its ID
	notes []string
}

func newPlanner(entries []Entry, tables []chunker.Table, facts *Facts) *planner {
	p := &planner{
		facts: facts, tables: map[uint32]*chunker.Table{}, above: map[uint32]bool{},
		entry: map[int]*Entry{}, rank: map[int]rank{}, ids: map[string]int{}, dumped: map[uint32]bool{}, within: map[int]int{},
		said: map[[2]string]string{}, shared: map[[2]string]map[string]string{},
		byTab: map[rank]map[int][]Step{inTable: {}, inUnique: {}, inLate: {}},
		early: map[int][]Step{}, mighty: map[int]bool{}, lacks: map[int]bool{}, ruled: map[int]bool{}, depth: map[string]int{},
	}
	for i := range entries {
		e := &entries[i]
		p.entry[e.ID] = e
		if e.Type == "TABLE" || e.Type == "MATERIALIZED VIEW" {
			p.dumped[e.OID] = true
		}
	}
	p.late = len(tables) > 0
	for i := range tables {
		t := &tables[i]
		p.tables[t.OID] = t
		p.late = p.late && t.Late()
		for o := t.OID; t.Late() && facts.Parents[o] != 0; o = facts.Parents[o] {
			p.above[facts.Parents[o]] = true
		}
	}
	for i := range facts.Checks {
		if c := &facts.Checks[i]; c.Validated {
			p.said[c.tag()] = ""
		}
	}
	p.withoutSuperuser(entries)
	p.ruledFromAbove(entries)
	p.schemas(entries)
	p.grantsFirst(entries)
	return p
}

var errNotFound = errors.New("what it is about is not in the catalog that was read")

// place gives an entry its stage.
func (p *planner) place(e *Entry) error {
	if p.ruled[e.ID] {
		p.rank[e.ID] = inPre
		return nil
	}
	switch e.Type {
	case "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION", "SUBSCRIPTION TABLE":
		p.rank[e.ID] = inPre // Dump asks for none; the manifest names them
	case "INDEX":
		p.index(e)
	case "CONSTRAINT":
		return p.constraint(e)
	case "FK CONSTRAINT":
		return p.foreignKey(e)
	case "INDEX ATTACH":
		p.attachIndex(e)
	case "CHECK CONSTRAINT":
		p.check(e)
	case "RULE":
		p.rule(e)
	case "TABLE ATTACH":
		p.attach(e)
	case "TRIGGER", "POLICY", "ROW SECURITY":
		p.list(e, p.after(e, inFinish))
	case "EVENT TRIGGER":
		p.eventTrigger(e)
	case "ACL", "DEFAULT ACL":
		p.grant(e)
	case "COMMENT", "SECURITY LABEL":
		p.comment(e)
	default:
		p.object(e)
	}
	return nil
}

// after is the rank at which e can run: its own, or that of what it depends on. What runs in
// parallel, table by table, is followed by the next list that all of it comes before. Where there
// are only late tables, nothing but the fence comes after Pre.
func (p *planner) after(e *Entry, own rank) rank {
	r := own
	if p.late && own > inUnique && own < inLate {
		r = inFinish
	}
	for _, id := range e.Depends {
		d, placed := p.rank[id]
		switch {
		case !placed || d < own:
			continue
		case d == inTable, d == inUnique:
			d = inConstraints
		case d == inLate:
			d = inFinish
		}
		r = max(r, d)
	}
	return r
}

// list appends e as one step to the stage of a rank.
func (p *planner) list(e *Entry, r rank, tolerate ...string) {
	s := p.step(e)
	s.Tolerate = append(s.Tolerate, tolerate...)
	if r >= inFinish || r == inForeign { // foreign keys may wait for the fence as well
		s.Undo = undo(e)
	}
	p.within[e.ID] = len(p.lists[r])
	p.lists[r] = append(p.lists[r], s)
	p.rank[e.ID] = r
}

// part appends a step to a stage that goes table by table.
func (p *planner) part(e *Entry, r rank, t *chunker.Table, s Step) {
	s.Table = t.String()
	p.byTab[r][t.Ordinal] = append(p.byTab[r][t.Ordinal], s)
	p.rank[e.ID] = r
}

// step is e as it stands.
func (p *planner) step(e *Entry) Step {
	name := e.Name
	if e.Schema != "" {
		name = e.Schema + "." + e.Name
	}
	kind := e.Type
	if kind == "DEFAULT ACL" {
		kind += " " + e.Owner // one name for all owners
	}
	s := Step{
		ID: p.id(kind, name), Kind: e.Type, Name: name, Owner: runner(e), SQL: e.SQL, Settings: p.settings(e),
	}
	if e.Type == "TABLE" {
		s.Table = name
	}
	if s.Superuser = p.mighty[e.ID]; p.lacks[e.ID] {
		s.Tolerate = slices.Clone(lacking)
	}
	return s
}

// id is a name for a step that depends on the schema only, not on the order of dump IDs.
func (p *planner) id(kind, name string) string {
	id := kind + " " + name
	p.ids[id]++
	if n := p.ids[id]; n > 1 {
		id += fmt.Sprintf(" #%d", n)
	}
	return id
}

// settings are those of the entry and what pg_restore sets for all: bodies of functions may name
// what does not exist yet. Few differ, so steps share them.
func (p *planner) settings(e *Entry) map[string]string {
	key := [2]string{e.Settings[setTablespace], e.Settings[setAccessMethod]}
	if p.shared[key] == nil {
		m := map[string]string{"check_function_bodies": "off"}
		maps.Copy(m, e.Settings)
		p.shared[key] = m
	}
	return p.shared[key]
}

// work puts the stages together.
func (p *planner) work() *Work {
	return &Work{
		Pre:         p.lists[inPre],
		Table:       p.byTab[inTable],
		Unique:      p.byTab[inUnique],
		Constraints: append(p.lists[inConstraints], p.lists[inGrants]...),
		Foreign:     p.lists[inForeign],
		Validate:    p.lists[inValidate],
		Late:        p.byTab[inLate],
		Finish:      slices.Concat(p.lists[inFinish], p.lists[inRefresh], p.lists[inFunctions], p.lists[inEvents]),
		Notes:       p.notes,
	}
}

// refreshes fills the materialized views that are filled on the source, then come their indexes.
func (p *planner) refreshes() {
	var fill []Step
	for i := range p.facts.MaterializedViews {
		v := &p.facts.MaterializedViews[i]
		if !v.Populated || !p.dumped[v.OID] {
			continue
		}
		fill = append(fill, Step{
			ID: p.id("REFRESH", v.String()), Kind: KindRefresh, Name: v.String(), Owner: v.Owner, Settings: p.userPath(),
			SQL: v.refresh(p.facts.Target), Undo: again,
		})
	}
	p.lists[inRefresh] = append(fill, p.lists[inRefresh]...)
}
