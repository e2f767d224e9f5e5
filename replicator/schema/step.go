package schema

// Step is a piece of work for the executor on the target: all of SQL in one transaction, as Owner
// where that is neither "" nor our own role, under Settings. It holds no transaction control. When
// a step fails with a SQLSTATE in Tolerate it counts as run, and its failure is reported.
//
// SQL may hold secrets (the options of a user mapping) and what the schema's author wrote into
// defaults and comments: it is for the server, not for logs.
type Step struct {
	ID    string `json:"id"`              // the same in every plan of the same schema
	Kind  string `json:"kind"`            // pg_dump's word, or one of ours below
	Name  string `json:"name"`            // for people
	Table string `json:"table,omitempty"` // schema.table that it works on, if one of the plan's
	Owner string `json:"owner,omitempty"`
	SQL   string `json:"sql"`
	Undo  string `json:"undo,omitempty"` // of a step of Finish: takes it back, so that it can run again
	// Strict is an index that is stricter than its deferrable constraint: no changes may be applied
	// between the two.
	Strict   bool              `json:"strict,omitempty"`
	MayStand bool              `json:"may_stand,omitempty"` // see Work.MayStand
	Settings map[string]string `json:"settings,omitempty"`
	Tolerate []string          `json:"tolerate,omitempty"`
	// Superuser says that only a superuser can do it: the manifest names the object from the start.
	Superuser bool `json:"superuser,omitempty"`
}

// Work is all steps of a database by stage. Within a list order matters, but for Validate; within
// Table[i], Unique[i] and Late[i] it does not, and the key's index is the first of Table[i].
// Different tables never depend on each other.
type Work struct {
	Pre         []Step         `json:"pre"`                   // before any row
	Table       map[int][]Step `json:"table,omitempty"`       // by ordinal, as its last chunk is in: key and plain indexes
	Unique      map[int][]Step `json:"unique,omitempty"`      // by ordinal, from the consistent point on; earlier for a table read under one snapshot
	Constraints []Step         `json:"constraints,omitempty"` // after all of Unique
	Foreign     []Step         `json:"foreign,omitempty"`     // foreign keys, not validated where that can be
	Validate    []Step         `json:"validate,omitempty"`    // their validation, in any order
	Late        map[int][]Step `json:"late,omitempty"`        // by ordinal, as a late table is in, at the fence
	Finish      []Step         `json:"finish,omitempty"`      // at the window
	Notes       []string       `json:"notes,omitempty"`       // what a person should know
}

// Kinds of steps that are not pg_dump's.
const (
	KindKeyIndex = "KEY INDEX" // the index by which changes find their rows
	KindIdentity = "IDENTITY"
	KindValidate = "VALIDATE"
	KindRefresh  = "REFRESH"
	KindAnalyze  = "ANALYZE" // of the engine; no plan has it
)

// SQLSTATEs that a step may tolerate.
const (
	insufficientPrivilege = "42501"
	duplicateObject       = "42710"
	duplicateSchema       = "42P06"
	invalidTable          = "42P16"
)

// notOurs is tolerated where an object may belong to somebody that we may not act for.
var notOurs = []string{insufficientPrivilege, duplicateObject, duplicateSchema}
