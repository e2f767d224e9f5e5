package ddl

import (
	"encoding/json"
	"fmt"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// version is of the messages.
const version = 2

// Message is what the event triggers tell of one command; one of its parts is there.
type Message struct {
	V       int      `json:"v"`
	Tag     string   `json:"tag"`
	State   *State   `json:"state"`
	Index   *Index   `json:"index"`
	Enum    *Enum    `json:"enum"`
	Rewrite *Rewrite `json:"rewrite"`
	Dropped []Object `json:"dropped"`
	Failed  string   `json:"failed"` // SQLSTATE
}

// State is an ordinary table after a command; or one that is partitioned, with how many of its tree follow:
// those that the command has changed, be it only that they stand in no tree, or in another, from now on.
type State struct {
	OID         uint32     `json:"oid"`
	Schema      string     `json:"schema"`
	Name        string     `json:"name"`
	Kind        string     `json:"kind"`  // relkind
	Parts       int        `json:"parts"` // of one that is partitioned
	Part        bool       `json:"part"`  // it follows one that is
	Persistence string     `json:"persistence"`
	Identity    string     `json:"identity"` // relreplident
	Typed       bool       `json:"typed"`
	Tree        bool       `json:"tree"`      // it is a part of one, by partitions or by inheritance
	Sequences   []string   `json:"sequences"` // that its columns own, and that are in its schema
	File        uint32     `json:"file"`      // as chunker.Table has them
	Altered     string     `json:"altered"`
	Generated   string     `json:"generated"`
	Above       string     `json:"above"`
	Parent      *Name      `json:"parent"` // of a partition
	Bound       string     `json:"bound"`
	Checks      []Check    `json:"checks"` // of a table in no tree: those that call no functions
	Key         []string   `json:"key"`
	Columns     []Column   `json:"columns"`
	Computed    []Computed `json:"computed"`
}

// Name is that of a table.
type Name struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
}

// Qualified is the quoted name for SQL.
func (n Name) Qualified() string { return pg.Ident(n.Schema, n.Name) }

func (n Name) String() string { return n.Schema + "." + n.Name }

// Called is the table's name.
func (s *State) Called() Name { return Name{s.Schema, s.Name} }

// Table is its name for whoever wants a table.
func (s *State) Table() *chunker.Table { return &chunker.Table{Schema: s.Schema, Name: s.Name} }

// Partitioned reports whether it is a partitioned table.
func (s *State) Partitioned() bool { return s.Kind == "p" }

// Column is one of a State that is not generated.
type Column struct {
	Num       int16     `json:"num"`
	Name      string    `json:"name"`
	Type      string    `json:"type"`
	OID       uint32    `json:"oid"`
	Array     bool      `json:"array"`
	NotNull   bool      `json:"not_null"`
	Identity  string    `json:"identity"`
	Odd       bool      `json:"odd"` // of a type that binary cannot carry, or whose text depends on the server
	Default   *string   `json:"default"`
	Filled    bool      `json:"filled"` // rows that are older than the column have Fill in it
	Fill      *string   `json:"fill"`   // nil where it cannot be told
	Collation *string   `json:"collation"`
	Sequence  *Sequence `json:"sequence"` // of an identity column
}

// Sequence is one by which an identity column gets its values.
type Sequence struct {
	Name
	Options string `json:"options"` // in SQL
}

// Computed is a generated column.
type Computed struct {
	Name       string  `json:"name"`
	Type       string  `json:"type"`
	Expression string  `json:"expression"`
	Stored     bool    `json:"stored"` // else virtual
	NotNull    bool    `json:"not_null"`
	Calls      bool    `json:"calls"` // a function or operator that is not the server's own
	Collation  *string `json:"collation"`
}

// Check is a constraint.
type Check struct {
	Name       string `json:"name"`
	Definition string `json:"definition"`
}

// Index is one that was made.
type Index struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Table  uint32 `json:"table"`
	SQL    string `json:"sql"`
	Valid  bool   `json:"valid"`
	Whole  bool   `json:"whole"` // not of a partitioned table, nor a part of one
}

// Enum is an enum as it is now.
type Enum struct {
	Schema string   `json:"schema"`
	Name   string   `json:"name"`
	Labels []string `json:"labels"`
}

// Rewrite says that the command that runs is about to write a table anew.
type Rewrite struct {
	OID      uint32            `json:"oid"`
	Reason   int               `json:"reason"` // bits of pg_event_trigger_table_rewrite_reason
	Plain    bool              `json:"plain"`  // the command is one ALTER TABLE, without USING or with Using
	Using    *Using            `json:"using"`
	Settings map[string]string `json:"settings"`
}

// Using is USING column::type.
type Using struct {
	Column string `json:"column"`
	Type   string `json:"type"`
}

// The reasons of an ALTER COLUMN TYPE alone, and of a column alone whose values are computed row by row.
const (
	columnRewrite  = 4
	defaultRewrite = 2
)

// Object is one that was dropped.
type Object struct {
	Kind     string `json:"kind"`
	OID      uint32 `json:"oid"`
	Schema   string `json:"schema"`
	Name     string `json:"name"`
	Part     string `json:"part,omitempty"`     // of a constraint, whose table Name is
	Original bool   `json:"original,omitempty"` // the command named it
}

// Called is its name, or that of its table.
func (o *Object) Called() Name { return Name{o.Schema, o.Name} }

// Parse reads a message. Its text is never repeated in an error: a Fill is a row's value.
func Parse(content []byte) (*Message, error) {
	m := &Message{}
	if err := json.Unmarshal(content, m); err != nil || m.V != version {
		return nil, fmt.Errorf("a message of the source's event triggers is none that this version knows")
	}
	return m, nil
}

// Tables are the OIDs of the tables that m is about.
func (m *Message) Tables() []uint32 {
	switch {
	case m.State != nil:
		return []uint32{m.State.OID}
	case m.Index != nil:
		return []uint32{m.Index.Table}
	case m.Rewrite != nil:
		return []uint32{m.Rewrite.OID}
	}
	var oids []uint32
	for _, o := range m.Dropped {
		if o.Kind == "table" {
			oids = append(oids, o.OID)
		}
	}
	return oids
}

// Entry is the plan's entry t with the state s in it.
func (s *State) Entry(t *chunker.Table) chunker.Table {
	is := *t
	is.Schema, is.Name, is.Columns = s.Schema, s.Name, nil
	is.File, is.Altered, is.Above, is.Generated = s.File, s.Altered, s.Above, s.Generated
	for _, c := range s.Columns {
		is.Columns = append(is.Columns, chunker.Column{
			Name: c.Name, Type: c.Type, OID: c.OID, Num: c.Num, Array: c.Array, NotNull: c.NotNull, Identity: c.Identity,
		})
	}
	if is.Identity == chunker.IdentityKey && s.Identity != "f" {
		is.Key = s.Key
	}
	return is
}
