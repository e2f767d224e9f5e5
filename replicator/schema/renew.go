package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// Renewal is what statements have made of what tables get at the fence.
type Renewal struct {
	Tables  []chunker.Table // that statements were about, and what is above them
	Foreign []Foreign       // foreign keys that point to them from elsewhere
	Alone   []string        // by name: those that are no partitions any more, and their indexes
}

// ReadRenewal finds what of tables has to be dumped again.
func ReadRenewal(ctx context.Context, conn *pg.Conn, tables []chunker.Table) (*Renewal, error) {
	r := &Renewal{Tables: tables}
	list := make([]uint32, len(tables))
	for i := range tables {
		list[i] = tables[i].OID
	}
	family := &Family{}
	if err := family.readForeign(ctx, conn, list); err != nil {
		return nil, err
	}
	r.Foreign = family.Foreign
	rows, err := conn.Query(ctx, `SELECT n.nspname || '.' || c.relname FROM pg_class t LEFT JOIN pg_index i ON i.indrelid = t.oid
			JOIN pg_class c ON c.oid IN (t.oid, i.indexrelid) JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE t.oid = ANY ($1::oid[]) AND NOT t.relispartition`, oids(list))
	if err != nil {
		return nil, fmt.Errorf("find what is no partition: %w", err)
	}
	for _, row := range rows {
		r.Alone = append(r.Alone, row[0])
	}
	return r, nil
}

// Selection is what has to be dumped.
func (r *Renewal) Selection() Selection {
	var from []Relation
	for i := range r.Foreign {
		from = append(from, r.Foreign[i].From)
	}
	return Only(r.Tables, from)
}

// renewed are the kinds of steps that name columns of their table, or say what it does with rows.
var renewed = []string{"TRIGGER", "RULE", "POLICY", "ROW SECURITY", "CHECK CONSTRAINT", "FK CONSTRAINT", KindValidate, KindIdentity}

// Renew puts what now has of the tables in place of what steps have: steps of the fence both, now of a plan
// of the tables as they are. What stood apart until the fence and has got its place since may be found there.
func (r *Renewal) Renew(steps, now []Step) []Step {
	kept := slices.DeleteFunc(slices.Clone(steps), func(s Step) bool {
		return r.names(&s) || s.Kind == "TABLE ATTACH" && slices.Contains(r.Alone, s.Name) || s.Kind == "INDEX ATTACH" && slices.Contains(r.Alone, s.Name)
	})
	for i := range kept {
		if strings.HasSuffix(kept[i].Kind, " ATTACH") {
			kept[i].MayStand = true
		}
	}
	fresh := slices.DeleteFunc(slices.Clone(now), func(s Step) bool { return !r.names(&s) })
	at := slices.IndexFunc(kept, func(s Step) bool { return slices.Contains([]string{KindRefresh, "ACL", "EVENT TRIGGER"}, s.Kind) })
	if at < 0 {
		at = len(kept)
	}
	return slices.Insert(kept, at, fresh...)
}

// names reports whether a step may name columns of the tables.
func (r *Renewal) names(s *Step) bool {
	if !slices.Contains(renewed, s.Kind) {
		return false
	}
	return slices.ContainsFunc(r.Tables, func(t chunker.Table) bool {
		return s.Table == t.String() || s.Name == t.String() || strings.HasPrefix(s.Name, t.String()+" ")
	}) || slices.ContainsFunc(r.Foreign, func(f Foreign) bool { return slices.Contains(f.IDs(), s.ID) })
}
