package schema

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"replicator/replicator/pg"
)

// orderItems names the children whose columns come in another order than on the source. pg_dump
// makes a child by INHERITS, which puts the parents' columns first. By name all is the same; an INSERT
// without a list of columns means others.
func orderItems(ctx context.Context, conn *pg.Conn, oids string) ([]Item, error) {
	const names = `array_to_json(ARRAY(SELECT attname FROM pg_attribute a
		WHERE a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum))`
	rows, err := conn.Query(ctx, `SELECT c.oid, n.nspname || '.' || c.relname, `+names+`,
			array_to_json(ARRAY(SELECT inhparent::bigint FROM pg_inherits WHERE inhrelid = c.oid ORDER BY inhseqno)),
			c.oid = ANY ($1::oid[])
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'f') AND NOT c.relispartition AND c.oid IN (
			SELECT inhrelid FROM pg_inherits UNION ALL SELECT inhparent FROM pg_inherits)
		ORDER BY 2`, oids)
	if err != nil {
		return nil, fmt.Errorf("list heirs: %w", err)
	}
	family := map[uint32]*heir{}
	for _, r := range rows {
		h := &heir{name: r[1], meant: r[4] == "t"}
		if err := json.Unmarshal([]byte(r[2]), &h.columns); err != nil {
			return nil, fmt.Errorf("list heirs: %w", err)
		}
		if err := json.Unmarshal([]byte(r[3]), &h.parents); err != nil {
			return nil, fmt.Errorf("list heirs: %w", err)
		}
		family[oid(r[0])] = h
	}
	var items []Item
	for _, r := range rows {
		h := family[oid(r[0])]
		if h.meant && !slices.Equal(h.columns, h.made(family)) {
			items = append(items, Item{"order of columns", h.name, "inherits: its columns come in its parent's order, other than on the source",
				"look for INSERT without a list of columns, and for SELECT *", true})
		}
	}
	return items, nil
}

// heir is a table in an inheritance tree.
type heir struct {
	name    string
	columns []string // in the source's order
	parents []uint32
	meant   bool
	after   []string // in the target's order, once known
}

// made is the order in which the target will have h's columns: its parents' first.
func (h *heir) made(family map[uint32]*heir) []string {
	if h.after != nil {
		return h.after
	}
	seen := map[string]bool{}
	for _, p := range h.parents {
		if parent := family[p]; parent != nil {
			h.after = appendNew(h.after, parent.made(family), seen)
		}
	}
	h.after = appendNew(h.after, h.columns, seen)
	return h.after
}

func appendNew(list, more []string, seen map[string]bool) []string {
	for _, name := range more {
		if !seen[name] {
			seen[name] = true
			list = append(list, name)
		}
	}
	return list
}
