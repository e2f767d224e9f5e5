package largeobject

import (
	"context"
	"fmt"
	"strings"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// errChanged says that the objects on the target are not what they were when they were listed. It is
// told as a serialization failure, which is tried again wherever it is met.
var errChanged = fmt.Errorf("large objects changed while they were written: %w", &pg.Error{SQLSTATE: "40001", Severity: "ERROR"})

// settle gives objects that stand the owner, rights and comment that they are to have. Owners first:
// with the owner, rights that were his become the new one's.
func settle(ctx context.Context, conn *pg.Conn, want []Object) error {
	if len(want) == 0 {
		return nil
	}
	have, err := standing(ctx, conn, want)
	if err != nil {
		return err
	}
	if sql := ownerSQL(want, have); sql != "" {
		if err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("give large objects to their owners: %w", explain(err))
		}
		if have, err = standing(ctx, conn, want); err != nil {
			return err
		}
	}
	if err := sayAs(ctx, conn, want, have); err != nil {
		return fmt.Errorf("rights and comments of large objects: %w", explain(err))
	}
	return nil
}

// standing reads what the objects have now.
func standing(ctx context.Context, conn *pg.Conn, want []Object) (map[uint32]*Object, error) {
	rows, err := conn.Query(ctx, "SELECT "+metadata+" FROM pg_largeobject_metadata m WHERE m.oid = ANY ($1::oid[])", array(OIDs(want)))
	if err != nil {
		return nil, fmt.Errorf("read large objects: %w", err)
	}
	have := make(map[uint32]*Object, len(rows))
	for _, row := range rows {
		o := new(Object)
		if err := o.parse(row); err != nil {
			return nil, err
		}
		have[o.OID] = o
	}
	for i := range want {
		if have[want[i].OID] == nil {
			return nil, errChanged
		}
	}
	return have, nil
}

func ownerSQL(want []Object, have map[uint32]*Object) string {
	var b strings.Builder
	for i := range want {
		if o := &want[i]; have[o.OID].Owner != o.Owner {
			fmt.Fprintf(&b, "ALTER LARGE OBJECT %d OWNER TO %s;\n", o.OID, pg.Ident(o.Owner))
		}
	}
	return b.String()
}

// sayAs runs for each owner what is to be said about his objects.
func sayAs(ctx context.Context, conn *pg.Conn, want []Object, have map[uint32]*Object) error {
	said := map[string]*strings.Builder{}
	var owners []string
	for i := range want {
		o := &want[i]
		sql := difference(o, have[o.OID])
		if sql == "" {
			continue
		}
		if said[o.Owner] == nil {
			said[o.Owner] = new(strings.Builder)
			owners = append(owners, o.Owner)
		}
		said[o.Owner].WriteString(sql)
	}
	for _, owner := range owners {
		usage, err := conn.Value(ctx, "SELECT pg_has_role($1::name, 'USAGE')", owner)
		if err != nil {
			return err
		}
		if err := as(ctx, conn, owner, usage == "t", func() error { return conn.Exec(ctx, said[owner].String()) }); err != nil {
			return err
		}
	}
	return nil
}

// difference is the SQL for rights and comment.
func difference(want, have *Object) string {
	var b strings.Builder
	if !granted(want, have) {
		for _, g := range orDefault(have) {
			fmt.Fprintf(&b, "REVOKE ALL ON LARGE OBJECT %d FROM %s CASCADE;\n", have.OID, grantee(g.To))
		}
		for _, g := range orDefault(want) {
			fmt.Fprintf(&b, "GRANT %s ON LARGE OBJECT %d TO %s%s;\n", g.Right, want.OID, grantee(g.To), map[bool]string{true: " WITH GRANT OPTION"}[g.Option])
		}
	}
	if want.Comment != have.Comment {
		fmt.Fprintf(&b, "COMMENT ON LARGE OBJECT %d IS %s;\n", want.OID, comment(want.Comment))
	}
	return b.String()
}

func orDefault(o *Object) []Grant {
	if o.Grants == nil {
		return ownersOnly(o.Owner)
	}
	return o.Grants
}

func grantee(role string) string {
	if role == "" {
		return "PUBLIC"
	}
	return pg.Ident(role)
}

func comment(text string) string {
	if text == "" {
		return "NULL"
	}
	return pg.Literal(text)
}

// explain says what a person can do about a server's no, or that the work is to be repeated: a session
// that a broken link left behind may have committed what is made again here.
func explain(err error) error {
	switch pg.State(err) {
	case "42501": // insufficient_privilege
		return fault.New(fault.Target, err, "the target role must be a member of the owner of large objects, and inherit: see replicator sql target-setup")
	case "42704": // undefined_object: a role, or an object that was listed
		return fault.New(fault.Preflight, err, "a role that owns large objects, or has rights on them, is missing on the target: replicator check lists them")
	case "23505", "42710": // unique_violation, duplicate_object
		return errChanged
	}
	return err
}
