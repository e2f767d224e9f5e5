package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tablespaces say where on the target lies what lies in a tablespace of the source; "" is the default
// of the database. What is not named lies in one of the same name.
type Tablespaces map[string]string

// Set reads OLD=NEW, several with commas between; OLD= is the database's default. It is a flag's.
func (t *Tablespaces) Set(list string) error {
	for _, one := range strings.Split(list, ",") {
		old, to, found := strings.Cut(one, "=")
		if !found || old == "" {
			return fmt.Errorf("%q is not OLD=NEW", one)
		}
		if *t == nil {
			*t = Tablespaces{}
		}
		(*t)[old] = to
	}
	return nil
}

// Type implements pflag.Value.
func (t *Tablespaces) Type() string { return "map" }

// String is what Set reads.
func (t *Tablespaces) String() string {
	var list []string
	for _, old := range slices.Sorted(maps.Keys(*t)) {
		list = append(list, old+"="+(*t)[old])
	}
	return strings.Join(list, ",")
}

// Of is the tablespace on the target; "" is the database's default.
func (t Tablespaces) Of(old string) string {
	if to, mapped := t[old]; mapped {
		return to
	}
	return old
}

// Place has entries lie where they are meant to on the target.
func (t Tablespaces) Place(entries []Entry) {
	for i := range entries {
		e := &entries[i]
		old := e.Settings[setTablespace]
		if to := t.Of(old); to != old {
			e.Settings = maps.Clone(e.Settings) // entries share it
			e.Settings[setTablespace] = to
		}
	}
}

// Items name the tablespaces that are mapped, for the manifest: no loss, for the operator has said so.
func (t Tablespaces) Items() []Item {
	var items []Item
	for _, old := range slices.Sorted(maps.Keys(t)) {
		why := "what lies there lies in " + t[old] + " on the target"
		if t[old] == "" {
			why = "what lies there lies in the database's default tablespace on the target"
		}
		items = append(items, Item{Kind: "tablespace", Name: old, Why: why, Do: "by --tablespace-map"})
	}
	return items
}
