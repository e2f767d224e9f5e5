package replicator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/status"
	"replicator/wal/slot"
)

// reuseRecord says that the target holds rows already, as a restored backup does or a job that has lost
// its slot: tables are compared, and only what differs is copied. It is written before anything is
// forgotten, so that whoever is killed there forgets the rest.
type reuseRecord struct {
	Begun time.Time `json:"begun"`
	Ready bool      `json:"ready"` // both ends have forgotten the copy before
}

// keptByReuse is what outlives the copy before: what the job is, and what was reported of it.
var keptByReuse = []string{keyRecord, keyReuse, keyStreaming, keySecret, keySettings, keySigner, keyVerified, keyReport}

// takeReuse reads whether the job re-uses, and finishes what a killed run has begun to forget.
func (j *job) takeReuse(ctx context.Context) error {
	var r reuseRecord
	found, err := j.store.Get(keyReuse, &r)
	if err != nil || !found {
		return err
	}
	j.reuses = true
	if r.Ready {
		return nil
	}
	return j.persist(ctx, "begin anew with what the target holds", func() error { return j.forget(ctx, r) })
}

// reuseAfter begins anew when err says that the position is lost and the operator has asked for that.
func (j *job) reuseAfter(ctx context.Context, err error) error {
	if !j.o.Reuse || fault.CodeOf(err) != fault.PositionLost {
		return err
	}
	fenced, ferr := j.isFenced()
	if ferr != nil {
		return ferr
	}
	if fenced {
		return fault.New(fault.Preflight, fmt.Errorf("a catch-up has fenced the source, and %w", err), "lift the fence first: replicator catchup --abort")
	}
	j.log.Warn("the position is lost: what the target holds is compared, and what differs is copied", "error", err)
	if err := j.blank(); err != nil {
		return err
	}
	if err := j.store.Put(keyReuse, reuseRecord{Begun: time.Now().UTC()}); err != nil {
		return err
	}
	return j.begun(ctx)
}

// blank forgets what this run has loaded of the copy before.
func (j *job) blank() error {
	if j.changes != nil {
		if err := j.changes.Close(); err != nil {
			return err
		}
	}
	j.nowPlan.Store(nil)
	j.changes, j.tables, j.chunks, j.work, j.received = nil, nil, nil, nil, nil
	j.ran = sync.Map{}
	j.marker, j.applied = markerRecord{}, 0
	j.tracker.Update(func(s *status.Status) {
		s.Tables, s.Late, s.Copy, s.Indexes = nil, nil, status.Copy{}, status.Indexes{}
	})
	return nil
}

// forget takes the job back to before its plan, on both sides and here. The publication stays: it must
// be the plan's, or a DBA is told.
func (j *job) forget(ctx context.Context, r reuseRecord) error {
	if err := j.sameCluster(ctx); err != nil {
		return err
	}
	st, err := j.end.Open(ctx, true)
	if err != nil {
		return err
	}
	switch {
	case st.Phase == string(status.Open):
		return errors.Join(j.setPhase(status.Open), errEnd)
	case !st.Replica:
		return fault.New(fault.Preflight, errors.New("the target role may not set session_replication_role: foreign keys and triggers that stand there would fire"),
			"grant it as replicator sql target-setup says, or seed into an empty database")
	}
	if err := j.end.Forget(ctx); err != nil {
		return err
	}
	j.o.Hook("engine: target forgot")
	if err := j.dropSlot(ctx); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(j.o.Dir, "changes")); err != nil {
		return fault.New(fault.Store, fmt.Errorf("remove the change log: %w", err), "")
	}
	j.o.Hook("engine: change log forgotten")
	r.Ready = true
	return j.store.Anew(keyReuse, r, keptByReuse...)
}

// sameCluster takes a promoted standby for the job's source, and no other cluster: what the target has
// is made equal to the source, whichever that is.
func (j *job) sameCluster(ctx context.Context) error {
	now, err := systemOf(ctx, j.source)
	if err != nil {
		return err
	}
	if now.ID != j.rec.System.ID {
		return j.source.Same(now)
	}
	j.rec.System, j.source.System = now, now
	return j.store.Put(keyRecord, j.rec)
}

// dropSlot drops the job's slot if there is one: nobody reads it any more.
func (j *job) dropSlot(ctx context.Context) error {
	conn, err := j.source.Connect(ctx, "slot")
	if err != nil {
		return err
	}
	defer conn.Close()
	st, err := slot.Inspect(ctx, conn, j.rec.Slot)
	if err != nil || !st.Exists {
		return err
	}
	return slot.Drop(ctx, conn, j.rec.Slot, j.source.Name())
}

// checkStanding refuses a target whose tables are not made as the source's are: rows that are equal in
// tables that are not help nobody.
func (j *job) checkStanding(ctx context.Context) error {
	there, err := j.end.Standing(ctx, j.planned())
	if err != nil {
		return err
	}
	conn, err := j.source.Connect(ctx, "definitions")
	if err != nil {
		return err
	}
	defer conn.Close()
	here, err := schema.Standing(ctx, conn, j.planned())
	if err != nil {
		return err
	}
	if firing := schema.Firing(there); len(firing) > 0 {
		return fault.New(fault.Preflight, fmt.Errorf("on the target %s would fire while rows are copied", firstFew(firing)), "drop them there: the catch-up makes them anew")
	}
	same, err := j.sameVersion(ctx, conn)
	if err != nil {
		return err
	}
	if unlike := schema.Unlike(here, there, same); len(unlike) > 0 {
		return fault.New(fault.Preflight, fmt.Errorf("the target is not made as the source is: %s", firstFew(unlike)),
			"make it so, or drop there what differs (a table with CASCADE): the same command makes it anew")
	}
	return nil
}

// sameVersion reports whether both servers are of one major version.
func (j *job) sameVersion(ctx context.Context, conn *pg.Conn) (bool, error) {
	here, err := conn.Value(ctx, "SHOW server_version")
	if err != nil {
		return false, err
	}
	there, err := j.end.Facts(ctx)
	major := func(v string) string { m, _, _ := strings.Cut(v, "."); return m }
	return major(here) == major(there.ServerVersion), err
}

// firstFew names a few and counts the rest.
func firstFew(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(names[:most], "; "), len(names)-most)
}
