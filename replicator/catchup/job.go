package catchup

import (
	"cmp"
	"context"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/replicator/status"
	"replicator/wal"
)

// Job is what catch-up asks of the job that it ends. Its methods retry what goes away by itself;
// an error they return ends the catch-up.
type Job interface {
	// Look is what the gates are judged by, of tables that are copied already.
	Look(ctx context.Context, tables []chunker.Table) (Findings, error)
	// Reach writes a marker into the source's WAL and waits until the target has applied all
	// before it. foreign is the number of transactions with row changes since the marker before.
	Reach(ctx context.Context, name string) (lsn wal.LSN, foreign int64, err error)
	// Facts of both sides, for the report.
	Facts(ctx context.Context) (src, tgt Database, err error)

	// Manifest makes the manifest again, with what was made or changed on the source since the seed.
	// Losses that nobody has acknowledged are an error; the manifest is there even so.
	Manifest(ctx context.Context) (*schema.Manifest, error)

	// Fence stops everybody else's writes on the source; it can be repeated. Lift takes it back.
	Fence(ctx context.Context, mode source.FenceMode) (detail string, err error)
	Lift(ctx context.Context) error
	// Audit names who could still write or has begun to.
	Audit(ctx context.Context) ([]string, error)
	// Strangers are those who were seen on the target since the job began, up to now. Writers names
	// those of them that have a transaction open that writes, and does not end in a few seconds.
	Strangers(ctx context.Context) ([]status.Stranger, error)
	Writers(ctx context.Context) ([]string, error)

	// Late lists the tables that are copied at the fence; those made after the plan are created first,
	// unless it is a rehearsal.
	Late(ctx context.Context, rehearsal bool) ([]chunker.Table, error)
	// CopyLate copies them, whatever the target has of them, and builds their indexes.
	CopyLate(ctx context.Context, tables []chunker.Table) (rows, bytes int64, err error)
	// LargeObjects makes those of the target equal to the source's and compares until they are; full reads
	// the content of all. A rehearsal counts what differs. nil: the job moves none.
	LargeObjects(ctx context.Context, rehearsal, full bool) (*LargeObjects, error)
	// LargeObjectsStay compares them once more: an error says that somebody has written some since.
	LargeObjectsStay(ctx context.Context) error
	// Sequences sets all sequences to where the source's are and returns their number.
	Sequences(ctx context.Context, rehearsal bool) (int, error)
	// Finish makes what had to wait: triggers, rules, policies, materialized views.
	Finish(ctx context.Context) (detail string, err error)

	// Tables are all tables that must be equal, late ones included.
	Tables(ctx context.Context) ([]chunker.Table, error)
	// Compare reads tables on both sides, all their rows.
	Compare(ctx context.Context, tables []*chunker.Table) (map[*chunker.Table]Compared, error)
	// Changed reads on both sides the rows that changed since each of the tables was proved equal, up to the
	// fence. A table of which that was never done, or is void, is not in the answer.
	Changed(ctx context.Context, tables []*chunker.Table, fence wal.LSN) (map[*chunker.Table]Compared, error)

	// Open makes the target the one that takes writes. There is no way back from here.
	Open(ctx context.Context) error
	// Missed counts UPDATEs and DELETEs that found no row on the target.
	Missed() map[string]int64
	// Progress is how far the step has come that runs, in words, or "" where it does not say. It is asked
	// beside the other methods.
	Progress() string
	// Predict is how long steps that a rehearsal leaves out are expected to take, from what the job has
	// measured: to copy late tables, to compare tables (with changed of those proved equal only the rows that
	// changed since), and whatever a catch-up before took.
	Predict(ctx context.Context, late, compare []chunker.Table, changed bool) ([]Prediction, error)
}

// Compared are the fingerprints of rows of a table on both sides.
type Compared struct{ Source, Target checksum.Set }

// Options say how the catch-up is done.
type Options struct {
	Fence     source.FenceMode
	Rehearsal bool          // measure, change nothing
	Timeout   time.Duration // 0 is none: the attempt ends and the fence is lifted when it is over
	Verify    Verify
	Fenced    bool          // an attempt before has begun to fence the source, and was killed
	Every     time.Duration // tell how far a step has come so often; 0 is DefaultEvery

	Gates
}

// Gates are the bounds at which gates close.
type Gates struct {
	MaxLag            int64         `json:"max_lag_bytes,omitempty"`          // of WAL that are not applied; 0 is DefaultMaxLag
	VerifiedWithin    time.Duration `json:"verified_within_ns,omitempty"`     // since each table was found equal; 0 is none
	MaxTransactionAge time.Duration `json:"max_transaction_age_ns,omitempty"` // of one on the source that has written; 0 is DefaultTransactionAge, below that none
	MaxLate           int64         `json:"max_late_bytes,omitempty"`         // of late tables; 0 is none
	MaxRetained       int64         `json:"max_retained_bytes,omitempty"`     // of WAL that the slot retains; 0 is the job's budget
	MinFree           int64         `json:"min_free_bytes,omitempty"`         // on either disk; 0 is leastFree, and there room for the late tables
}

func (o *Options) defaults() {
	o.MaxLag = cmp.Or(o.MaxLag, DefaultMaxLag)
	o.Every = cmp.Or(o.Every, DefaultEvery)
	o.MaxTransactionAge = cmp.Or(o.MaxTransactionAge, DefaultTransactionAge)
}

// Verify is what is compared before the target opens.
type Verify string

// What is compared: of tables that a verification has proved equal the rows that changed since, and
// all others in full; every table in full; only those copied at the fence; nothing.
const (
	VerifyChanged Verify = "changed"
	VerifyFull    Verify = "full"
	VerifyLate    Verify = "late"
	VerifyNone    Verify = "none"
)

// DefaultEvery is how often somebody who waits wants to hear that it goes on.
const DefaultEvery = 5 * time.Second

// DefaultMaxLag is what apply drains in about a minute: with more it is too early to stop the wards.
const DefaultMaxLag = 1 << 30

// DefaultTransactionAge is longer than what a ward's screen leaves open, and shorter than a batch whose
// work nobody wants to see rolled back.
const DefaultTransactionAge = 5 * time.Minute
