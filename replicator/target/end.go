package target

import (
	"context"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/apply"
	"replicator/replicator/largeobject"
	"replicator/replicator/schema"
	"replicator/wal"
)

// End is the target end as the engine sees it. All methods may be called at once from several
// goroutines. A method either committed what it was asked for or it did not; where the connection
// broke in between, the caller asks (Receipt, State) and repeats. The caller retries, not the End.
type End interface {
	// Open takes the job over: it waits for a dead engine's sessions to end, raises the epoch and the
	// guard, and returns what the target holds. fault.Fenced when another engine is alive. Whoever has the job
	// may open it again, while nobody else uses the End: nothing that is on its way arrives then.
	Open(ctx context.Context, create bool) (State, error)
	// State is what the target holds now.
	State(ctx context.Context) (State, error)
	// Applied is State.Applied alone, which is asked for often.
	Applied(ctx context.Context) (wal.LSN, error)
	// View opens a snapshot of the target as it is now, for comparing tables. They are locked against
	// TRUNCATE and rewrites until it is closed: changes that hold one wait.
	View(ctx context.Context, tables []*chunker.Table) (View, error)
	// Receipt is the receipt of one chunk, or nil.
	Receipt(ctx context.Context, table, chunk int) (*chunker.Receipt, error)
	// Reset empties a table and forgets its receipts: it starts over.
	Reset(ctx context.Context, t *chunker.Table) error
	// Chunk begins to write a chunk. With replace, the rows of its range and its receipt go first.
	Chunk(ctx context.Context, t *chunker.Table, c *chunker.Chunk, replace bool) (ChunkWriter, error)
	// Follow applies changes until cfg.Until, an error, or the end of ctx.
	Follow(ctx context.Context, cfg FollowConfig, src apply.Source) (apply.Result, error)
	// Step runs one schema step once: a step that has run is skipped. note tells what was tolerated.
	Step(ctx context.Context, s *schema.Step) (note string, err error)
	// Steps runs steps in order, several to a transaction.
	Steps(ctx context.Context, steps []schema.Step) (notes []string, err error)
	// Undo takes steps back that have run, the last one first; they can run again.
	Undo(ctx context.Context, steps []schema.Step) error
	// Mend removes rows, by their ctid, and writes others, in the bytes that COPY gives, in one
	// transaction. Nobody applies meanwhile.
	Mend(ctx context.Context, t *chunker.Table, remove []string, rows []byte) error
	// Forget forgets what was copied, made and applied: the job begins anew over what stands there.
	Forget(ctx context.Context) error
	// Standing is what tables of the plan are made of on the target, see schema.Standing.
	Standing(ctx context.Context, tables []chunker.Table) ([]schema.Definition, error)
	// Adopt counts chunks whose rows stand there already: these are all the receipts that the table then
	// has. The rows in the ranges of clear go, in the same transaction.
	Adopt(ctx context.Context, t *chunker.Table, receipts []chunker.Receipt, clear []chunker.Chunk) error
	// Fingerprint reads a whole table, as text or as binary; jobs sessions share the work.
	Fingerprint(ctx context.Context, t *chunker.Table, text bool, jobs int) (checksum.Set, error)
	// Lookup is the sets of rows with certain keys, one for each entry of the list, see chunker.Lookups.
	Lookup(ctx context.Context, secret checksum.Secret, list []chunker.Keyed) ([]checksum.Set, error)
	// LargeObjects lists the large objects of a range, see largeobject.Read.
	LargeObjects(ctx context.Context, ask largeobject.Ask) (largeobject.Answer, error)
	// WriteLargeObjects begins to write large objects, alter and remove others, all in one transaction. Their
	// pages come as largeobject.Pages copies them; Commit takes their number, bytes and digest in a receipt.
	WriteLargeObjects(ctx context.Context, b *largeobject.Batch) (ChunkWriter, error)
	// SetSequences sets the sequences' positions.
	SetSequences(ctx context.Context, seqs []schema.SequenceValue) error
	// Facts tells what the target is.
	Facts(ctx context.Context) (Facts, error)
	// Strangers are the sessions of others on the target database now.
	Strangers(ctx context.Context) ([]Stranger, error)
	// SetPhase records the phase where everybody with access to the target can read it. With phase
	// open the guard goes, in the same transaction.
	SetPhase(ctx context.Context, phase string) error
	// Drop removes schema replicator's rows of this job, and with the last job the schema and the guard.
	Drop(ctx context.Context) error
	Close() error
}

// State is what the target holds of a job.
type State struct {
	Epoch    int64
	Phase    string
	Receipts []chunker.Receipt
	Applied  wal.LSN // lowest position of all shards
	Replica  bool    // our sessions may set session_replication_role = replica
	Guard    string  // what people must know of the guard, "" if it just stands; told by Open
}

// Facts is what is told of the target database.
type Facts struct {
	Name, ServerVersion, SystemID string // SystemID is "" where our role may not see it
	Free                          int64  // bytes on the disk of its data directory; -1: not known

	Site    schema.Site   // what decides on what can be carried
	LeftOut []schema.Item // what of the schema could not be made, although it was tried
}

// ChunkWriter takes the frames of one chunk, or batch of large objects, in order. Exactly one of Commit and Abort ends it.
type ChunkWriter interface {
	// FrameBytes is how many bytes of rows a frame holds at most, unless one row is larger: frames
	// end with a row.
	FrameBytes() int
	// Seal makes a frame of rows, packed as the way to the target wants it. room has them behind
	// frame.HeaderSize bytes, where the frame may be made in place; it holds until the next one. It is
	// called from one goroutine.
	Seal(seq uint64, room []byte) []byte
	// Write takes a sealed frame of kind Rows; the frame may be reused once Write returns.
	Write(ctx context.Context, frame []byte) error
	// Commit checks rows, bytes and the digest over the frames against what was written and commits rows and receipt together.
	Commit(ctx context.Context, r chunker.Receipt) error
	Abort()
}

// View is a snapshot of the target. Its methods may be called at once from several goroutines.
type View interface {
	// Side is a table under the snapshot. text says that the job's changes travel as text; jobs
	// sessions share the reading.
	Side(t *chunker.Table, text bool, jobs int, secret checksum.Secret) Side
	// Totals are the sets of the rows of small tables, or of a selection of them, see chunker.Scan.Totals:
	// one question for all of them.
	Totals(ctx context.Context, ask Totals) ([]checksum.Set, error)
	Close(ctx context.Context) error
}

// Totals says of which tables of a view the sets are wanted, and how they are read: see View.Side.
type Totals struct {
	Tables []*chunker.Table
	Text   bool
	Jobs   int
	Secret checksum.Secret
	Of     checksum.Selection
}

// Side is a table of a view: fingerprints, hashes of rows, and where rows stand. Keys of located rows
// are for the engine alone.
type Side interface {
	chunker.Side
	Locate(ctx context.Context, hashes []checksum.KeyHash) ([]chunker.Located, error)
	// ByChunk is the set of each chunk's rows, of a table that is cut by key ranges.
	ByChunk(ctx context.Context, chunks []chunker.Chunk) ([]checksum.Set, error)
}

// FollowConfig says which changes are applied and how far.
type FollowConfig struct {
	Tables []chunker.Table   // published tables
	Chunks [][]chunker.Chunk // by Table.Ordinal; nil after the consistent point: every change is due, as of a table whose list is nil
	Skip   []uint32          // relations whose changes are passed over: tables that are gone from the source
	Until  string            // content of the marker at which to return
	Stop   wal.LSN           // unless zero: end of the commit after which to return
	// DDL has statements carried, see apply.Config; Carried is the number of the last one that is in Tables.
	DDL     bool
	Carried int64
	Late    []chunker.Table
	Pinned  []int
	Report  func(apply.Progress)
}
