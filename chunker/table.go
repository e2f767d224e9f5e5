package chunker

import "replicator/replicator/pg"

// Identity is how UPDATE and DELETE name the old row in the WAL.
type Identity string

// The kinds of replica identity that the engine uses.
const (
	IdentityKey  Identity = "key"  // primary key or a chosen unique index: Table.Key
	IdentityFull Identity = "full" // the whole old row
	IdentityNone Identity = "none" // not published: a late table, copied at the fence
)

// Column is a column that COPY carries: generated columns are not among them.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`          // as format_type prints it on the source
	OID      uint32 `json:"oid"`           // of the type, on the source
	Num      int16  `json:"num,omitempty"` // attnum on the source: one that was dropped and made again has another
	Array    bool   `json:"array,omitempty"`
	NotNull  bool   `json:"not_null,omitempty"`
	Identity string `json:"identity,omitempty"` // attidentity: "a" always, "d" by default, "" none
}

// Table is an ordinary table, or a leaf partition, of the source as the plan saw it. What is
// immutable is here; progress is in the store.
type Table struct {
	Ordinal  int      `json:"ordinal"` // its number in the plan, from 0; the key in the store
	OID      uint32   `json:"oid"`     // on the source
	Schema   string   `json:"schema"`
	Name     string   `json:"name"`
	Owner    string   `json:"owner"`
	Columns  []Column `json:"columns"` // in the order in which COPY carries them
	Key      []string `json:"key,omitempty"`
	KeyIndex string   `json:"key_index,omitempty"` // the index behind Key, without its schema
	Identity Identity `json:"identity"`
	NotFull  bool     `json:"not_full,omitempty"` // published with IdentityFull its application could not update it
	Text     bool     `json:"text,omitempty"`     // COPY in text format: a column that binary cannot carry
	Named    bool     `json:"named,omitempty"`    // of Text: the stream may be in binary, for it is told names in place of OIDs
	Unlogged bool     `json:"unlogged,omitempty"` // writes no WAL: copied at the fence
	Pages    int64    `json:"pages"`              // of the heap, 8 KiB each
	Rows     int64    `json:"rows"`               // estimate, -1 unknown
	Bytes    int64    `json:"bytes"`              // heap and TOAST, without indexes

	// What else a statement may change, to notice it; see schema.Changes.
	Above     string `json:"above,omitempty"`     // what it is a partition of, with its bound, or inherits from
	Generated string `json:"generated,omitempty"` // its generated columns, which COPY does not carry
	File      uint32 `json:"file,omitempty"`      // relfilenode: a rewrite gives another
	Altered   string `json:"altered,omitempty"`   // digest of the versions of its columns' catalog rows

	Gone bool `json:"gone,omitempty"` // it was dropped on the source, and a resync took it from the target
}

// Late reports whether the table's changes are not in the WAL stream, so that it is copied at the fence.
func (t *Table) Late() bool { return t.Unlogged || t.Identity == IdentityNone || t.Gone }

// MayBeFull reports whether the table, which has no identity, may be given the full one.
func (t *Table) MayBeFull() bool { return t.Identity == IdentityNone && !t.Unlogged && !t.NotFull }

// Qualified is the table's quoted name for SQL.
func (t *Table) Qualified() string { return pg.Ident(t.Schema, t.Name) }

// String is the table's name for people and logs.
func (t *Table) String() string { return t.Schema + "." + t.Name }

// Column finds a column by name, or -1.
func (t *Table) Column(name string) int {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return i
		}
	}
	return -1
}

// ColumnList is the quoted, comma-separated list of the columns that COPY carries.
func (t *Table) ColumnList() string {
	names := make([]string, len(t.Columns))
	for i := range t.Columns {
		names[i] = t.Columns[i].Name
	}
	return pg.Idents(names)
}
