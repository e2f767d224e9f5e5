package replicator

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"replicator/chunker"
	"replicator/replicator/catchup"
	"replicator/replicator/checkpoint"
	"replicator/replicator/control"
	"replicator/replicator/fault"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// failure is the error that a run ended with.
type failure struct {
	At    time.Time  `json:"at"`
	Error string     `json:"error"`
	Code  fault.Code `json:"code"`
}

// serve answers the control socket until ctx ends.
func (j *job) serve(ctx context.Context) error {
	return control.Serve(ctx, j.o.Dir, control.Handler(&engine{j}))
}

// engine is the job as the control socket sees it.
type engine struct{ j *job }

func (e *engine) Status() status.Status { return e.j.tracker.Status() }

func (e *engine) Catchup(ctx context.Context, r control.Request, tell func(catchup.Event)) (*catchup.Report, error) {
	return e.j.catchup(ctx, r, tell)
}

func (e *engine) Verify(ctx context.Context, o verify.Options, tell func(verify.Event)) (*verify.Report, error) {
	return e.j.verify(ctx, o, tell)
}

func (e *engine) Set(name, value string) error { return e.j.set(name, value) }

// keepStatus keeps what status shows for the time when no engine runs.
func (j *job) keepStatus() {
	s := j.tracker.Status()
	s.Running = false
	if err := j.store.Put(keyStatus, s); err != nil {
		j.log.Error("keep status", "error", err)
	}
}

// ReadStatus asks the engine that runs in dir, or reads the store where none does: that takes the
// job's key file, if it has one.
func ReadStatus(ctx context.Context, dir, keyFile string) (status.Status, error) {
	s, err := control.Client(dir).Status(ctx)
	if !errors.Is(err, control.ErrNotRunning) {
		return s, err
	}
	key, err := loadKey(keyFile, dir)
	if err != nil {
		return s, err
	}
	store, err := checkpoint.Open(filepath.Join(dir, "state"), checkpoint.Options{ReadOnly: true, Key: key})
	if err != nil {
		return s, err
	}
	s, err = storedStatus(store)
	return s, errors.Join(err, store.Close())
}

// storedStatus is what the last run left, or what can be told from plan and receipts of one that
// was killed.
func storedStatus(store *checkpoint.Store) (status.Status, error) {
	s := status.Status{Version: status.Version, At: time.Now().UTC(), Phase: status.Preparing}
	var rec record
	found, err := store.Get(keyRecord, &rec)
	if err != nil {
		return s, err
	}
	if !found {
		return s, errNoJob
	}
	if _, err := store.Get(keyStatus, &s); err != nil {
		return s, err
	}
	t := status.NewTracker(rec.Job)
	tables, chunks, err := store.LoadPlan()
	if err != nil {
		return s, err
	}
	showPlan(t, tables, chunks)
	err = store.Receipts(func(r chunker.Receipt) error {
		if r.Table < len(tables) {
			show(t, &r, false)
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	now := t.Status()
	s.Job, s.Running, s.Copy, s.Tables, s.Late = rec.Job, false, now.Copy, now.Tables, now.Late
	if _, err := store.Get(keyPhase, &s.Phase); err != nil {
		return s, err
	}
	return s, storedFailure(store, &s)
}

// storedFailure shows the error that ended the last run, if a person must look at it.
func storedFailure(store *checkpoint.Store, s *status.Status) error {
	var f failure
	found, err := store.Get(keyFailure, &f)
	if err == nil && found {
		s.LastError, s.ErrorAt, s.Phase = f.Error, f.At, status.Failed
	}
	return err
}
