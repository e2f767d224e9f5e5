package link

import (
	"encoding/json"

	"replicator/chunker"
	"replicator/replicator/largeobject"
	"replicator/replicator/target"
	"replicator/wal"
)

// request is the body of a call: a method of target.End and its arguments.
type request struct {
	Method string          `json:"method"`
	Args   json.RawMessage `json:"args,omitempty"`
}

// result is how a call, a chunk or a following ended.
type result struct {
	Value   json.RawMessage `json:"value,omitempty"`
	Failure *failure        `json:"failure,omitempty"`
}

// The arguments and answers of the methods that have more than one.
type (
	openArgs    struct{ Create bool }
	receiptArgs struct{ Table, Chunk int }
	stepAnswer  struct{ Note string }
	stepsAnswer struct {
		Notes   []string
		Failure *failure // notes come also with an error
	}
	fingerprintArgs struct {
		Table *chunker.Table
		Text  bool
		Jobs  int
	}
)

// nothing is the argument or the answer of a method that has none.
type nothing struct{}

// The methods. Names of the wire are those of target.End.
const (
	methodOpen         = "Open"
	methodState        = "State"
	methodApplied      = "Applied"
	methodView         = "View"
	methodCloseView    = "CloseView"
	methodViewSum      = "ViewFingerprint"
	methodViewRows     = "ViewRows"
	methodViewLocate   = "ViewLocate"
	methodViewChunks   = "ViewByChunk"
	methodViewTotals   = "ViewTotals"
	methodMend         = "Mend"
	methodForget       = "Forget"
	methodStanding     = "Standing"
	methodAdopt        = "Adopt"
	methodLookup       = "Lookup"
	methodReceipt      = "Receipt"
	methodReset        = "Reset"
	methodStep         = "Step"
	methodSteps        = "Steps"
	methodUndo         = "Undo"
	methodFingerprint  = "Fingerprint"
	methodLargeObjects = "LargeObjects"
	methodSetSequences = "SetSequences"
	methodFacts        = "Facts"
	methodStrangers    = "Strangers"
	methodSetPhase     = "SetPhase"
	methodDrop         = "Drop"
)

// chunkBegin is the body of a chunk's first message, or of a batch of large objects.
type chunkBegin struct {
	Table   *chunker.Table     `json:"table,omitempty"`
	Chunk   *chunker.Chunk     `json:"chunk,omitempty"`
	Replace bool               `json:"replace,omitempty"`
	Objects *largeobject.Batch `json:"objects,omitempty"`
}

// valid reports whether it is one or the other.
func (b *chunkBegin) valid() bool { return (b.Table != nil && b.Chunk != nil) != (b.Objects != nil) }

// key is who may not be written twice at once.
func (b *chunkBegin) key() chunkKey {
	if b.Objects != nil {
		return chunkKey{largeObjects, int(b.Objects.First())}
	}
	return chunkKey{b.Table.Ordinal, b.Chunk.Ordinal}
}

// largeObjects stands for a table's ordinal.
const largeObjects = -1

// followBegin is target.FollowConfig without what does not travel.
type followBegin struct {
	Tables []chunker.Table   `json:"tables"`
	Chunks [][]chunker.Chunk `json:"chunks,omitempty"`
	Until  string            `json:"until,omitempty"`
	Stop   wal.LSN           `json:"stop"`
	Skip   []uint32          `json:"skip,omitempty"`

	DDL     bool            `json:"ddl,omitempty"`
	Carried int64           `json:"carried,omitempty"`
	Late    []chunker.Table `json:"late,omitempty"`
	Pinned  []int           `json:"pinned,omitempty"`
}

func (f *followBegin) config() target.FollowConfig {
	return target.FollowConfig{Tables: f.Tables, Chunks: f.Chunks, Until: f.Until, Stop: f.Stop, Skip: f.Skip, DDL: f.DDL, Carried: f.Carried, Late: f.Late, Pinned: f.Pinned}
}
