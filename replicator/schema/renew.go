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
	made    []chunker.Table // those of them for which something is made at the fence
	Foreign []Foreign       // foreign keys that point to them from elsewhere
	Alone   []string        // by name: those that are no partitions any more, and their indexes
}

// ReadRenewal finds what of tables has to be dumped again, for steps of the fence.
func ReadRenewal(ctx context.Context, conn *pg.Conn, tables []chunker.Table, steps []Step) (*Renewal, error) {
	r := &Renewal{Tables: tables}
	list := make([]uint32, len(tables))
	for i := range tables {
		list[i] = tables[i].OID
	}
	foreign := slices.ContainsFunc(steps, func(s Step) bool { return s.Kind == "FK CONSTRAINT" })
	if err := r.readMade(ctx, conn, list, foreign); err != nil {
		return nil, err
	}
	if foreign {
		family := &Family{}
		if err := family.readForeign(ctx, conn, list); err != nil {
			return nil, err
		}
		r.Foreign = family.Foreign
	}
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

// usersTrigger says of a trigger g that somebody made it, there or above. Up to 14 what a partition has of
// its root's triggers counts as internal, and may yet be disabled by itself.
const usersTrigger = `(NOT g.tgisinternal OR g.tgparentid <> 0 AND g.tgconstraint = 0)`

// readMade leaves out the many leaves of a tree for which nothing is made: pg_dump is slow with names.
func (r *Renewal) readMade(ctx context.Context, conn *pg.Conn, list []uint32, foreign bool) error {
	rows, err := conn.Query(ctx, `SELECT c.oid FROM pg_class c WHERE c.oid = ANY ($1::oid[]) AND (c.relrowsecurity OR c.relhasrules
		OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
		OR EXISTS (SELECT FROM pg_trigger g LEFT JOIN pg_trigger above ON above.oid = g.tgparentid
			WHERE g.tgrelid = c.oid AND `+usersTrigger+` AND g.tgenabled IS DISTINCT FROM above.tgenabled)
		OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attidentity <> '' AND NOT a.attisdropped)
		OR EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND (k.contype = 'f' AND k.conparentid = 0 AND $2 OR k.contype = 'c' AND `+usersFunction+`)))`,
		oids(list), fmt.Sprint(foreign))
	if err != nil {
		return fmt.Errorf("find what is made at the fence: %w", err)
	}
	made := map[uint32]bool{}
	for _, row := range rows {
		made[oid(row[0])] = true
	}
	for i := range r.Tables {
		if made[r.Tables[i].OID] {
			r.made = append(r.made, r.Tables[i])
		}
	}
	return nil
}

// Selection is what has to be dumped; false says that nothing has to.
func (r *Renewal) Selection() (Selection, bool) {
	var from []Relation
	for i := range r.Foreign {
		from = append(from, r.Foreign[i].From)
	}
	return Only(r.made, from), len(r.made)+len(from) > 0
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
