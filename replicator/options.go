package replicator

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"time"

	"replicator/chunker"
	"replicator/replicator/apply"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// Options say what a job moves and how. What a job was begun with is kept in its store; a later run
// may leave Source, Target and Link out if they hold no password, and may change what does not alter
// the plan (Jobs, IndexJobs, Confirm, Until, budgets).
type Options struct {
	Source string // DSN
	Target string // DSN, where the target end is in this process
	Link   Link   // the way to it, where it is at another site
	// MaxRate, as pace.Parse has it, caps what goes over the way there; where the target end is in this process, the
	// rows that are read from the source while they are copied. "" is what was set last, or no cap.
	MaxRate string
	Dir     string // state directory, made if it is missing
	// KeyFile seals what lies in Dir (package atrest). It is not kept: every run needs it.
	KeyFile string
	Name    string // of the job; "" is a random one

	// Acknowledge is the operator's word that the losses of the manifest are known: its digest, or
	// schema.AcknowledgeAll.
	Acknowledge string
	Tablespaces schema.Tablespaces // where on the target lies what lies in one of the source

	Jobs      int // sessions that copy chunks; 0 is one for each processor, 4 at most
	IndexJobs int // sessions that build indexes; 0 is like Jobs
	Select    schema.Selection
	Priority  []string // patterns as --tables has them; tables that match an earlier one are copied first
	NoKey     string   // what becomes of tables without replica identity: "late" or "full"
	DDL       string   // what becomes of statements that change a table: "stop", or "replicate"; "" is as before, "stop" at first
	Confirm   string   // when the slot may forget WAL: "synced" in our change log, or "applied" on the target
	Reuse     bool     // the target holds rows already; an existing job begins anew with them where its position is lost
	Streaming string   // "on" has large transactions come while they run, "off" at their commit; "" is as before, "on" at first
	Until     string   // "" follows; "copied" or "consistent" ends there

	// LargeObjects says whether they are moved: "yes", "no", or "auto" as pg_dump does: unless tables or
	// schemas are named.
	LargeObjects string
	ObjectsEvery time.Duration // pause between two rounds of them; 0 goes by how long a round takes

	Slot        string // "" derives it from the database's name
	Publication string // "" is the slot's name
	LogBudget   int64  // bytes of change log at which we stop confirming; 0 is none
	// RetainBudget is how many bytes of WAL the source may retain for us before an alarm is raised;
	// 0 is DefaultRetainBudget.
	RetainBudget int64
	ChunkBytes   int64 // 0 is chunker.DefaultBytes
	// LookEvery is how often the catalog is looked at for statements that changed a table, where
	// something was written to it; 0 is ten seconds.
	LookEvery time.Duration
	Limits    apply.Limits

	Logger    *slog.Logger          `json:"-"`
	OnTracker func(*status.Tracker) `json:"-"` // called once, when the job is open
	Hook      func(point string)    `json:"-"` // nil, or called at dangerous instants: see the kill tests
	// Tamper is nil, or stands between TLS and the link's messages: see the fault tests.
	Tamper func(net.Conn) net.Conn `json:"-"`
}

// mostJobs is the default's bound: more sessions than this disturb a hospital at work and are the
// DBA's decision.
const mostJobs = 4

// DefaultRetainBudget is a few hours of a busy hospital's WAL: by then somebody should know.
const DefaultRetainBudget = 16 << 30

// Validate fills in the defaults; its errors are of code fault.Usage.
func (o *Options) Validate() error {
	if o.Jobs == 0 {
		o.Jobs = min(runtime.NumCPU(), mostJobs)
	}
	if o.IndexJobs == 0 {
		o.IndexJobs = o.Jobs
	}
	if o.NoKey == "" {
		o.NoKey = "late"
	}
	if o.Confirm == "" {
		o.Confirm = "synced"
	}
	if o.RetainBudget == 0 {
		o.RetainBudget = DefaultRetainBudget
	}
	if o.LookEvery == 0 {
		o.LookEvery = lookEvery
	}
	if o.ChunkBytes == 0 {
		o.ChunkBytes = chunker.DefaultBytes
	}
	if o.LargeObjects == "" {
		o.LargeObjects = "auto"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Hook == nil {
		o.Hook = func(string) {}
	}
	return fault.New(fault.Usage, errors.Join(
		oneOf("no-key", o.NoKey, "late", "full"),
		oneOf("ddl", o.DDL, "", ddlStop, ddlReplicate),
		oneOf("confirm", o.Confirm, "synced", "applied"),
		oneOf("streaming", o.Streaming, "", "on", "off"),
		oneOf("large-objects", o.LargeObjects, "auto", "yes", "no"),
		oneOf("until", o.Until, "", "copied", "consistent"),
		positive("jobs", o.Jobs), positive("index-jobs", o.IndexJobs),
		required("dir", o.Dir), parses("source", o.Source), parses("target", o.Target),
		o.Link.validate(o.Target), paced(o.MaxRate), validJob(o.Name),
	), "see replicator seed --help")
}

// carriesLargeObjects is what "auto" means.
func (o *Options) carriesLargeObjects() bool {
	return o.LargeObjects == "yes" || o.LargeObjects == "auto" && len(o.Select.Tables)+len(o.Select.Schemas) == 0
}

func oneOf(flag, have string, want ...string) error {
	for _, w := range want {
		if have == w {
			return nil
		}
	}
	return fmt.Errorf("--%s takes one of %q", flag, want)
}

func positive(flag string, n int) error {
	if n < 1 {
		return fmt.Errorf("--%s must be at least 1", flag)
	}
	return nil
}

func required(flag, v string) error {
	if v == "" {
		return fmt.Errorf("--%s is missing", flag)
	}
	return nil
}

func parses(flag, dsn string) error {
	if dsn == "" {
		return nil
	}
	if _, err := pg.ParseDSN(dsn); err != nil {
		return fmt.Errorf("--%s: %w", flag, err)
	}
	return nil
}

// Waits between two tries of something that went wrong for a reason that goes away.
const (
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
)
