package replicator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"replicator/checksum/atrest"
	"replicator/chunker"
	"replicator/replicator/checkpoint"
	"replicator/replicator/control"
	"replicator/replicator/fault"
	"replicator/replicator/link"
	"replicator/replicator/link/pace"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/replicator/status"
	"replicator/replicator/target"
	"replicator/wal"
	"replicator/wal/changelog"
)

// job is an open job: its store, both ends, and what the phases share. It lives for one run.
type job struct {
	o       Options
	rec     record
	log     *slog.Logger
	key     *atrest.Key // nil: what lies in the state directory is readable
	store   *checkpoint.Store
	source  *source.Database
	end     target.End
	remote  *link.Remote  // end, where that is at another site; else nil
	limiter *pace.Limiter // of the way there, or of reading
	tracker *status.Tracker
	changes *changelog.Log // from the phase in which the slot is made
	spool   *changelog.Spool

	nowPlan  atomic.Pointer[[]chunker.Table] // see planned
	tables   []chunker.Table                 // the plan, and behind it what a catch-up finds made since; the catch-up's alone from the fence on
	chunks   [][]chunker.Chunk               // by Table.Ordinal
	work     *schema.Work                    // what the schema needs, by stage
	made     schema.Work                     // the same of the tables that a catch-up finds made since
	received [][]bool                        // which chunks have a receipt, by table and chunk

	begin  wal.LSN      // where the slot, and so the change log, begins
	marker markerRecord // of the consistent point, once it is written
	touch  *toucher     // once the target follows

	reuses    bool          // the target holds rows already, and they are compared
	owns      bool          // the target is opened by this run
	guarded   bool          // the target is read-only by default for others
	replica   bool          // foreign keys and triggers do not fire for our role
	ran       sync.Map      // IDs of the schema steps that ran
	met       bool          // both ends were reached in this run: from now on a lost connection is waited for
	busy      sync.Mutex    // a catch-up is under way
	verifying sync.Mutex    // a verification is
	following chan struct{} // closed once the target follows
	holds     chan hold     // taken by whoever applies
	still     chan struct{} // closed once nobody applies any more
	opened    chan struct{} // closed once the target is open

	mu      sync.Mutex
	applied wal.LSN       // committed on the target
	total   sums          // applied by this run
	trimmed time.Time     // when the log was trimmed last
	moved   chan struct{} // closed and replaced when applied or the markers move
	markers map[string]markerSeen

	objects   *objects         // the rounds of large objects
	libraries schema.Libraries // of the source's server

	endVerify context.CancelCauseFunc // of the last verification

	seen    sightings  // others on the target
	rates   rates      // what was measured, for predictions
	looking sync.Mutex // one look at the planned tables at a time

	resync *resyncRecord // nil, or tables that are taken through again
}

// markerSeen is a marker of ours that the target has applied everything before.
type markerSeen struct {
	LSN     wal.LSN
	Foreign int64 // transactions with row changes between the marker before and this one
}

// open opens the state directory and the job in it, or begins a new one. create says whether a new
// job may be begun.
func open(ctx context.Context, o Options, create bool) (*job, error) {
	if _, err := os.Stat(o.Dir); !create && errors.Is(err, os.ErrNotExist) {
		return nil, errNoJob
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fault.New(fault.Store, fmt.Errorf("make state directory: %w", err), "")
	}
	key, err := loadKey(o.KeyFile, o.Dir)
	if err != nil {
		return nil, err
	}
	store, err := openStore(ctx, o, key)
	if err != nil {
		return nil, err
	}
	j := &job{o: o, log: o.Logger, key: key, store: store, moved: make(chan struct{}), following: make(chan struct{}), holds: make(chan hold), still: make(chan struct{}), opened: make(chan struct{}), markers: map[string]markerSeen{}}
	j.objects = newObjects(j)
	if err := j.load(ctx, create); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return j, nil
}

// openStore waits a little for a store that is open elsewhere, unless an engine answers there: it may
// be `status`, which reads it in a moment, or an engine that is on its way out.
func openStore(ctx context.Context, o Options, key *atrest.Key) (*checkpoint.Store, error) {
	for wait := retryFirst; ; wait *= 2 {
		store, err := checkpoint.Open(filepath.Join(o.Dir, "state"), checkpoint.Options{Key: key, Logger: o.Logger})
		if !errors.Is(err, checkpoint.ErrLocked) || wait > retryMost {
			return store, err
		}
		if _, serr := control.Client(o.Dir).Status(ctx); serr == nil {
			return nil, err
		}
		if err := pg.Pause(ctx, wait); err != nil {
			return nil, err
		}
	}
}

var errNoJob = fault.New(fault.Usage, errors.New("there is no job in this --dir"), "begin one with replicator seed")

// load reads the record or makes it, and opens the target end.
func (j *job) load(ctx context.Context, create bool) error {
	found, err := j.store.Get(keyRecord, &j.rec)
	if err != nil {
		return err
	}
	switch {
	case found:
		if err := j.rec.resume(&j.o); err != nil {
			return err
		}
	case create:
		if j.rec, err = newRecord(ctx, &j.o); err != nil {
			return err
		}
		if err := j.store.Put(keyRecord, j.rec); err != nil {
			return err
		}
		if j.o.Reuse {
			if err := j.store.Put(keyReuse, reuseRecord{Begun: j.rec.Created}); err != nil {
				return err
			}
		}
	default:
		return errNoJob
	}
	j.source = &source.Database{DSN: j.o.Source, Job: j.rec.Job, Database: j.rec.Database, System: j.rec.System}
	j.tracker = status.NewTracker(j.rec.Job)
	if err := j.foretell(); err != nil {
		return err
	}
	return j.openEnd(ctx)
}

// Close leaves everything as it is, to be resumed.
func (j *job) Close() error {
	var errs []error
	if j.changes != nil {
		errs = append(errs, j.changes.Close())
	}
	errs = append(errs, j.end.Close(), j.store.Close())
	return errors.Join(errs...)
}

// setPhase shows the phase and keeps it.
func (j *job) setPhase(p status.Phase) error {
	j.tracker.SetPhase(p)
	j.log.Info("phase", "phase", p, "job", j.rec.Job)
	if err := j.keepCourse(); err != nil {
		return err
	}
	return j.store.Put(keyPhase, p)
}

func (j *job) phase() (status.Phase, error) {
	p := status.Preparing
	_, err := j.store.Get(keyPhase, &p)
	return p, err
}

// planned is the plan, by Table.Ordinal. It is read only: a statement that is carried puts another slice
// in its place, whoever reads.
func (j *job) planned() []chunker.Table {
	if p := j.nowPlan.Load(); p != nil {
		return *p
	}
	return nil
}

// published are the planned tables whose changes are in the stream.
func (j *job) published() (list []chunker.Table) {
	for _, t := range j.planned() {
		if !t.Late() {
			list = append(list, t)
		}
	}
	return list
}

// lateTables are the planned tables that are copied at the fence.
func (j *job) lateTables() (list []chunker.Table) {
	for _, t := range j.planned() {
		if t.Late() && !t.Gone {
			list = append(list, t)
		}
	}
	return list
}

// table finds a table of the plan by its name; one that is gone has none.
func (j *job) table(schemaName, name string) *chunker.Table {
	for i := range j.planned() {
		if t := &j.planned()[i]; !t.Gone && t.Schema == schemaName && t.Name == name {
			return t
		}
	}
	return nil
}
