package apply

import (
	"context"
	"strconv"

	"replicator/chunker"
	"replicator/replicator/ddl"
)

// ALTER COLUMN TYPE to or from types of the database's own. Where the source wrote no row anew the values are
// the bytes that they were. Else the cast has to be the server's: between its own types, beneath whatever
// domains, and enums, whose labels are the same on both sides.

// castKind is what lies beneath a column's domains.
type castKind struct {
	base  uint32
	plain bool // the server's own, or an enum
}

// castKinds are those of the columns that a change casts, in its order.
func (a *applier) castKinds(ctx context.Context, t *chunker.Table, change *ddl.Change, name func(ddl.Cast) string) ([]castKind, error) {
	if len(change.Casts) == 0 {
		return nil, nil
	}
	have, err := a.columnsOf(ctx, t)
	if err != nil {
		return nil, err
	}
	kinds := make([]castKind, len(change.Casts))
	for i, c := range change.Casts {
		base := have[name(c)].base
		kinds[i] = castKind{base: base, plain: base != 0 && base < firstUserOID}
		if base >= firstUserOID {
			is, err := a.session.query(ctx, "SELECT typtype = 'e' FROM pg_type WHERE oid = $1::oid", strconv.FormatUint(uint64(base), 10))
			if err != nil {
				return nil, err
			}
			kinds[i].plain = len(is) == 1 && is[0][0] == "t"
		}
	}
	return kinds, nil
}

func (a *applier) sameCasts(ctx context.Context, t *chunker.Table, change *ddl.Change, was, is []castKind) error {
	for i, c := range change.Casts {
		if !c.Rewritten {
			continue
		}
		theirs, err := a.session.query(ctx, "SELECT 1 FROM pg_cast WHERE castsource = $1::oid AND casttarget = $2::oid AND oid >= $3::oid",
			strconv.FormatUint(uint64(was[i].base), 10), strconv.FormatUint(uint64(is[i].base), 10), strconv.Itoa(firstUserOID))
		if err != nil {
			return err
		}
		if !was[i].plain || !is[i].plain || len(theirs) > 0 {
			return &ddl.Refusal{Table: t.String(), Why: "ALTER COLUMN TYPE " + c.Is + ", by a cast that is not the server's own,"}
		}
	}
	return nil
}
