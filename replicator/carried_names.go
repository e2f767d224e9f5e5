package replicator

import (
	"slices"

	"replicator/chunker"
	"replicator/replicator/ddl"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// Tables that statements have given another name or schema, or have dropped. The plan's entry has the new
// one. What was made of a dump before keeps the old ones: the steps of the schema, which are known by them,
// and texts that wait for the fence. They are held together by the record of what was carried.

func nameOf(t *chunker.Table) ddl.Name { return ddl.Name{Schema: t.Schema, Name: t.Name} }

// rename notes that a table is called otherwise, and sequences with it; what was dumped of them is known by
// the new names from then on.
func (j *job) rename(r *carriedRecord, named map[string]any, was, is ddl.Name, sequences []string) error {
	if was == is {
		return nil
	}
	base, err := j.baseline(named)
	if err != nil {
		return err
	}
	r.rename(was, is)
	base.Rename(was, is)
	for _, s := range sequences {
		was, is := ddl.Name{Schema: was.Schema, Name: s}, ddl.Name{Schema: is.Schema, Name: s}
		r.rename(was, is)
		base.Rename(was, is)
	}
	return nil
}

// baseline is the one that is about to be written with named, or that of the store, to be written with it.
func (j *job) baseline(named map[string]any) (schema.Baseline, error) {
	if b, ok := named[keyBaseline].(schema.Baseline); ok {
		return b, nil
	}
	b := schema.Baseline{}
	found, err := j.store.Get(keyBaseline, &b)
	if found {
		named[keyBaseline] = b
	}
	return b, err
}

// drop forgets what was dropped on both sides: it is no loss, and if the source has something of that name
// again, that is new.
func (j *job) drop(r *carriedRecord, named map[string]any, dropped []ddl.Object) error {
	if len(dropped) == 0 {
		return nil
	}
	base, err := j.baseline(named)
	if err != nil {
		return err
	}
	for i := range dropped {
		o := &dropped[i]
		base.Forget(o)
		switch o.Kind {
		case "table", "view", "materialized view":
			r.Gone = append(r.Gone, r.giveUp(o.Called()))
		case "sequence":
			r.giveUp(o.Called())
		}
	}
	return nil
}

// giveUp has nothing be called name any more, and returns what the plan of the schema calls it.
func (r *carriedRecord) giveUp(name ddl.Name) ddl.Name {
	r.Former = append(r.Former, name.String())
	for i := range r.Renamed {
		if was := r.Renamed[i].Was; r.Renamed[i].Is == name {
			r.Renamed = slices.Delete(r.Renamed, i, i+1)
			return was
		}
	}
	return name
}

func (r *carriedRecord) rename(was, is ddl.Name) {
	r.Former = append(r.Former, was.String())
	for i := range r.Renamed {
		if r.Renamed[i].Is == was {
			r.Renamed[i].Is = is
			return
		}
	}
	r.Renamed = append(r.Renamed, schema.Renamed{Was: was, Is: is})
}

// carriedNames is the record of what was carried; empty in a job that carries nothing.
func (j *job) carriedNames() (r carriedRecord, err error) {
	_, err = j.store.Get(keyCarried, &r)
	return r, err
}

// given are the names of the tables and sequences that the target has been given, as they are now.
func (j *job) given() (map[string]bool, error) {
	r, err := j.carriedNames()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for i := range j.work.Pre {
		if s := &j.work.Pre[i]; s.Kind == "TABLE" || s.Kind == "SEQUENCE" {
			names[s.Name] = true
		}
	}
	for _, name := range r.Former {
		delete(names, name)
	}
	for i := range r.Renamed {
		names[r.Renamed[i].Is.String()] = true
	}
	for i := range j.planned() {
		if t := &j.planned()[i]; t.Gone {
			delete(names, t.String())
		}
	}
	for i := range j.planned() {
		if t := &j.planned()[i]; !t.Gone {
			names[t.String()] = true
		}
	}
	return names, nil
}

// pinned are the tables that keep their names: a rule that is made at the fence has them in its text, where
// columns are called by them, too, and it is of a view, which is not dumped again there.
func (j *job) pinned() (list []int, err error) {
	if !j.carries() {
		return nil, nil
	}
	r, err := j.carriedNames()
	if err != nil {
		return nil, err
	}
	was := map[string]string{}
	for i := range r.Renamed {
		was[r.Renamed[i].Is.String()] = r.Renamed[i].Was.String()
	}
	steps := schema.Following(j.waiting(&r), r.Renamed)
	names := schema.Pinning(steps, schema.Ruled(steps, j.present()))
	for i := range j.planned() {
		name := j.planned()[i].String()
		if before, ok := was[name]; ok {
			name = before
		}
		if names[name] && !j.planned()[i].Gone {
			list = append(list, i)
		}
	}
	return list, nil
}

// showNames shows tables under the names that they have now.
func (j *job) showNames(tables []chunker.Table) {
	j.tracker.Update(func(s *status.Status) {
		for i := range tables {
			row := &s.Tables[tables[i].Ordinal]
			if row.Name = tables[i].String(); tables[i].Gone {
				row.Kind = status.Late
			}
		}
	})
}
