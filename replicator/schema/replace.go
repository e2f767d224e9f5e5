package schema

import (
	"slices"
	"strings"

	"replicator/chunker"
)

// Replace puts the work of tables that are made anew in place of what w has for them. gone are these
// tables as w knew them; with is the plan of them and of what is made along with them. Foreign keys
// that are behind have to wait for all of Finish: they need a partition to be attached.
func (w *Work) Replace(gone []chunker.Table, with *Work, keys []Foreign) {
	m := merger{ids: map[string]bool{}, gone: gone, behind: map[string]bool{}}
	have := map[string]bool{}
	for i := range w.Pre {
		have[w.Pre[i].ID] = true
	}
	// The schemas stand.
	pre := slices.DeleteFunc(slices.Clone(with.Pre), func(s Step) bool { return s.Kind == "SCHEMA" && have[s.ID] })
	for _, id := range with.IDs() {
		m.ids[id] = true
	}
	for i := range keys {
		for _, id := range keys[i].IDs() {
			m.behind[id] = keys[i].Behind
		}
	}
	w.Pre = m.merge(w.Pre, pre)
	w.Constraints = m.merge(w.Constraints, with.Constraints)
	w.Foreign = m.merge(w.Foreign, with.Foreign)
	w.Validate = m.merge(w.Validate, with.Validate)
	w.Finish = m.merge(w.Finish, with.Finish)
	w.Finish = append(w.Finish, m.late...)
	for i := range gone {
		n := gone[i].Ordinal
		w.Table, w.Unique, w.Late = put(w.Table, n, with.Table[n]), put(w.Unique, n, with.Unique[n]), put(w.Late, n, with.Late[n])
	}
	for _, n := range with.Notes {
		if !slices.Contains(w.Notes, n) {
			w.Notes = append(w.Notes, n)
		}
	}
}

func put(m map[int][]Step, table int, steps []Step) map[int][]Step {
	if m == nil {
		m = map[int][]Step{}
	}
	if delete(m, table); len(steps) > 0 {
		m[table] = steps
	}
	return m
}

// IDs are the IDs of all steps but those that make schemas.
func (w *Work) IDs() []string {
	var ids []string
	add := func(steps []Step) {
		for i := range steps {
			if steps[i].Kind != "SCHEMA" {
				ids = append(ids, steps[i].ID)
			}
		}
	}
	for _, list := range [][]Step{w.Pre, w.Constraints, w.Foreign, w.Validate, w.Finish} {
		add(list)
	}
	for _, byTable := range []map[int][]Step{w.Table, w.Unique, w.Late} {
		for _, steps := range byTable {
			add(steps)
		}
	}
	slices.Sort(ids)
	return ids
}

// Sequences are the quoted names of the sequences that w makes.
func (w *Work) Sequences() []string {
	var list []string
	for i := range w.Pre {
		if s := &w.Pre[i]; s.Kind == "SEQUENCE" {
			list = append(list, name(statements(s.SQL)[0], s.Kind))
		}
	}
	return list
}

// Owned are the names of the sequences that w has tables own: they go with them.
func (w *Work) Owned(tables []chunker.Table) []string {
	var list []string
	for i := range w.Pre {
		s := &w.Pre[i]
		if s.Kind != "SEQUENCE OWNED BY" {
			continue
		}
		words := tokens(statements(s.SQL)[0])
		column := strings.ReplaceAll(words[len(words)-1], `"`, "")
		if slices.ContainsFunc(tables, func(t chunker.Table) bool { return strings.HasPrefix(column, t.String()+".") }) {
			list = append(list, s.Name)
		}
	}
	return list
}

type merger struct {
	ids    map[string]bool // of the new steps
	gone   []chunker.Table
	behind map[string]bool
	late   []Step // what has to wait
}

// merge is old without what is replaced or belongs to a table that goes, and new behind it.
func (m *merger) merge(old, new []Step) []Step {
	list := slices.DeleteFunc(slices.Clone(old), func(s Step) bool { return m.ids[s.ID] || m.belongs(&s) })
	for _, s := range new {
		if m.behind[s.ID] {
			m.late = append(m.late, s)
		} else {
			list = append(list, s)
		}
	}
	return list
}

// ofTable are the kinds of steps whose name begins with that of their table.
var ofTable = []string{"CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", KindValidate, "TRIGGER", "RULE", "POLICY", "DEFAULT"}

// belongs reports whether a step works on a table that goes. Comments and grants stay: their objects
// have new ones of the same IDs, or none, and then they have run.
func (m *merger) belongs(s *Step) bool {
	return slices.ContainsFunc(m.gone, func(t chunker.Table) bool {
		name := t.String()
		switch {
		case s.Kind == "TABLE" || s.Kind == "ROW SECURITY" || s.Kind == "TABLE ATTACH":
			return s.Name == name
		case slices.Contains(ofTable, s.Kind):
			return strings.HasPrefix(s.Name, name+" ")
		}
		return s.Table == name
	})
}
