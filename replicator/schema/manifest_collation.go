package schema

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"replicator/replicator/pg"
)

// Collations are told apart as their libraries do: glibc has one version for all, ICU one for each
// locale. What sorts by bytes has none.

// collationKey is the key of pg_collation c.
const collationKey = `CASE c.collprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu ' ||
	COALESCE(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', c.collcollate) END`

// collationVersions is what the server's libraries are now.
const collationVersions = `SELECT k, max(v) FROM (
	SELECT ` + collationKey + ` AS k, pg_collation_actual_version(c.oid) AS v FROM pg_collation c
	WHERE c.collprovider IN ('c', 'i') AND c.collcollate IS DISTINCT FROM 'C' AND c.collcollate IS DISTINCT FROM 'POSIX') AS o
	WHERE v IS NOT NULL GROUP BY 1`

// Libraries remembers the collationVersions of one server: to answer it opens every locale that it knows,
// which takes 40 ms, and they stay for as long as it runs. A nil one remembers nothing.
type Libraries struct {
	mu       sync.Mutex
	run      string // of the server, and what collations there are
	versions map[string]string
}

func (l *Libraries) read(ctx context.Context, conn *pg.Conn) (map[string]string, error) {
	if l == nil {
		return pairs(ctx, conn, collationVersions)
	}
	run, err := conn.Value(ctx, "SELECT concat_ws(' ', pg_postmaster_start_time(), count(*), max(oid::bigint)) FROM pg_collation")
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.run != run {
		if l.versions, err = pairs(ctx, conn, collationVersions); err != nil {
			return nil, err
		}
		l.run = run
	}
	return l.versions, nil
}

// key is that of the database's own collation, "" where it sorts by bytes.
func (d *Database) key() string {
	switch {
	case d.Provider == "icu":
		return "icu " + d.Locale
	case d.Provider == "libc" && d.Collate != "C" && d.Collate != "POSIX" && !strings.HasPrefix(d.Collate, "C."):
		return "libc"
	}
	return ""
}

// indexesShown bounds the indexes that an item names.
const indexesShown = 20

// collationItems names the collations whose library is another one on the target, with the indexes
// that sort by them. They are built on the target, so none of them is wrong there; but text comes in
// another order, and whoever compares both sides should know.
func collationItems(ctx context.Context, conn *pg.Conn, oids string, src, dst *Site) ([]Item, error) {
	own := src.Database.key()
	rows, err := conn.Query(ctx, `SELECT DISTINCT CASE WHEN c.oid = 100 THEN $2 ELSE `+collationKey+` END, n.nspname || '.' || ic.relname
		FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid JOIN pg_namespace n ON n.oid = ic.relnamespace
			CROSS JOIN unnest(i.indcollation::oid[]) AS k(coll) JOIN pg_collation c ON c.oid = k.coll
		WHERE i.indrelid = ANY ($1::oid[]) ORDER BY 1, 2`, oids, own)
	if err != nil {
		return nil, fmt.Errorf("list collations of indexes: %w", err)
	}
	touched := map[string][]string{}
	for _, r := range rows {
		if from, to := src.Collations[r[0]], dst.Collations[r[0]]; r[0] != "" && from != "" && to != "" && from != to {
			touched[r[0]] = append(touched[r[0]], r[1])
		}
	}
	var items []Item
	for _, key := range slices.Sorted(maps.Keys(touched)) {
		names := touched[key]
		list := strings.Join(names[:min(len(names), indexesShown)], ", ")
		if more := len(names) - indexesShown; more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
		items = append(items, Item{Kind: "collation version", Name: key, Why: fmt.Sprintf(
			"%s on the source, %s on the target: text may sort otherwise; these indexes depend on it and are built on the target: %s",
			src.Collations[key], dst.Collations[key], list)})
	}
	return items, nil
}
