package replicator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"replicator/replicator/fault"
	"replicator/replicator/schema"
)

// manifestFile is where people find the manifest in the state directory. The store has what counts.
const manifestFile = "manifest.json"

// manifestRecord is what the job knows that the target will not have.
type manifestRecord struct {
	Manifest     *schema.Manifest `json:"manifest"`
	Acknowledged bool             `json:"acknowledged"`
}

// acknowledge lets a job begin only when the operator has acknowledged what will not be on the target as
// it is on the source. Nothing was changed on either side yet.
func (j *job) acknowledge(ctx context.Context) error {
	var r manifestRecord
	if _, err := j.store.Get(keyManifest, &r); err != nil || r.Acknowledged {
		return err
	}
	m, err := j.manifest(ctx, nil)
	if err != nil {
		return err
	}
	for _, i := range m.Losses() {
		j.log.Warn("not carried", "kind", i.Kind, "name", i.Name, "why", i.Why, "do", i.Do)
	}
	if err := j.keepManifest(m, m.Acknowledged(j.o.Acknowledge)); err != nil {
		return err
	}
	if m.Acknowledged(j.o.Acknowledge) {
		return nil
	}
	return unacknowledged(m.Losses(), "will not be on the target as on the source", m.Digest,
		fmt.Sprintf("read %s, then run seed with --acknowledge %s", filepath.Join(j.o.Dir, manifestFile), m.Digest))
}

// unacknowledged is a refusal for things that nobody has said to know of.
func unacknowledged(items []schema.Item, what, digest, hint string) error {
	noun := "things"
	if len(items) == 1 {
		noun = "thing"
	}
	return fault.New(fault.Preflight, fmt.Errorf("%d %s %s, and manifest %s is not acknowledged: %s", len(items), noun, what, digest, schema.Few(items)), hint)
}

// manifest looks at both sides. more are items that only the job knows.
func (j *job) manifest(ctx context.Context, more []schema.Item) (*schema.Manifest, error) {
	facts, err := j.end.Facts(ctx)
	if err != nil {
		return nil, err
	}
	fenced, err := j.isFenced()
	if err != nil {
		return nil, err
	}
	conn, err := j.source.ConnectAny(ctx, "manifest")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	l := schema.Losses{Select: j.rec.Select, Target: &facts.Site, Own: []string{j.rec.Slot, j.rec.Publication}, Fenced: fenced}
	m, err := l.Read(ctx, conn)
	if err != nil {
		return nil, err
	}
	return m.With(append(more, facts.LeftOut...)...), nil
}

// keepManifest keeps it for the job, and for people.
func (j *job) keepManifest(m *schema.Manifest, acknowledged bool) error {
	if err := j.store.Put(keyManifest, manifestRecord{Manifest: m, Acknowledged: acknowledged}); err != nil {
		return err
	}
	path := filepath.Join(j.o.Dir, manifestFile)
	f, err := os.CreateTemp(j.o.Dir, manifestFile+".*")
	if err == nil {
		err = errors.Join(m.WriteJSON(f), f.Close())
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fault.New(fault.Store, fmt.Errorf("write the manifest: %w", err), "")
	}
	return nil
}

// planDatabase adds to the work what pg_dump leaves out of the database itself and our role on the
// target may carry.
func (j *job) planDatabase(ctx context.Context) error {
	if !j.rec.Select.IsZero() {
		return nil
	}
	facts, err := j.end.Facts(ctx)
	if err != nil {
		return err
	}
	conn, err := j.source.Connect(ctx, "schema")
	if err != nil {
		return err
	}
	defer conn.Close()
	src, err := schema.ReadSite(ctx, conn)
	if err != nil {
		return err
	}
	j.work.Pre = append(j.work.Pre, schema.DatabaseSteps(src, &facts.Site)...)
	return nil
}
