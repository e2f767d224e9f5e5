package pgoutput

import (
	"time"

	"replicator/wal"
)

// What a tuple says of a column.
const (
	Null      = 'n'
	Unchanged = 'u' // a TOAST value that the UPDATE did not touch; the server does not send it
	Text      = 't'
	Binary    = 'b'
)

// Value is a column's value in a tuple. Data aliases the decoded message; it is nil for Null and
// Unchanged.
type Value struct {
	Kind byte
	Data []byte
}

// Column is a column as it stands in the stream. Dropped and unpublished columns are absent.
type Column struct {
	Key      bool // part of the replica identity
	Name     string
	Type     uint32 // OID on the source
	Modifier int32  // atttypmod
}

// Relation describes the tuples that follow with its id. The server sends it before the first change
// of a table on each connection, and again after the table changed.
type Relation struct {
	ID           uint32
	Schema, Name string
	Identity     byte // relreplident: 'd' default, 'n' nothing, 'f' full, 'i' index
	Columns      []Column
}

// Type names a type that is not built in.
type Type struct {
	ID           uint32
	Schema, Name string
}

// Begin starts a transaction.
type Begin struct {
	FinalLSN wal.LSN   // of the commit record
	Time     time.Time // of the commit
	XID      uint32    // top level, without epoch
}

// Commit ends a transaction.
type Commit struct {
	CommitLSN wal.LSN // of the commit record, as in Begin
	EndLSN    wal.LSN // of its end: the position after the transaction
	Time      time.Time
}

// Origin says that the transaction was replicated to the source from elsewhere.
type Origin struct {
	LSN  wal.LSN // of the commit at the origin
	Name string
}

// Stream is what the control messages of streamed transactions say.
type Stream struct {
	XID    uint32
	SubXID uint32 // Abort: what is void, XID itself if all of it is
	First  bool   // Start: the first block of this transaction
}

// Message is one decoded message. Only the fields of its Kind mean something; the slices are used
// again by the next [Decode].
type Message struct {
	// Kind is the protocol's letter: B Begin, C Commit, O Origin, R Relation, Y Type, I Insert,
	// U Update, D Delete, T Truncate, M logical message; of streamed transactions S Start, E Stop,
	// c Commit, A Abort.
	Kind byte

	Begin  Begin
	Commit Commit // C and c
	Origin Origin
	Type   Type
	Stream Stream

	Relation   *Relation // R; newly allocated, the caller may keep it
	RelationID uint32    // R, I, U, D

	OldKind  byte    // U and D: 'K' the key, 'O' the whole row, 0 none
	Old, New []Value // one for each column of the relation

	Relations                []uint32 // T: all that one command truncated
	Cascade, RestartIdentity bool

	Transactional bool    // M
	LSN           wal.LSN // M: of the message
	Prefix        string
	Content       []byte // aliases the decoded message
}
