package replicator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

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
	m, err := j.manifest(ctx, false, nil)
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

// Manifest makes it again at the fence. What the operator has not acknowledged is refused; what is
// acknowledged now is kept along with what was before.
func (f *finisher) Manifest(ctx context.Context) (m *schema.Manifest, err error) {
	if err := f.tryForeignAgain(ctx); err != nil {
		return nil, err
	}
	err = f.persist(ctx, "make the manifest", func() error {
		changed, err := f.changedSchema(ctx)
		if err != nil {
			return err
		}
		m, err = f.manifest(ctx, true, changed)
		return err
	})
	if err != nil {
		return nil, err
	}
	r := manifestRecord{Manifest: &schema.Manifest{}}
	if _, err := f.store.Get(keyManifest, &r); err != nil {
		return m, err
	}
	fresh := m.Beyond(r.Manifest)
	if len(fresh) == 0 {
		return m, nil
	}
	if !m.Acknowledged(f.word) {
		return m, unacknowledged(fresh, "of the source will not be on the target", m.Digest,
			"replicator catchup --acknowledge "+m.Digest+" goes on: see the manifest in the report, and do on the target what it says")
	}
	return m, f.keepManifest(r.Manifest.With(m.Items...), true)
}

// tryForeignAgain makes and validates foreign keys of the seed that rows of the source broke then: these may
// have been mended since. A rehearsal changes nothing, and behind the fence it is too late for that; those
// that wait for it are tried there.
func (f *finisher) tryForeignAgain(ctx context.Context) error {
	fenced, err := f.isFenced()
	if err != nil || fenced || f.rehearsal || !f.replica {
		return err
	}
	there, err := f.end.Facts(ctx)
	if err != nil {
		return err
	}
	r, err := f.carriedNames()
	if err != nil {
		return err
	}
	steps := schema.Following(schema.Without(slices.Concat(f.work.Foreign, f.work.Validate), r.Gone), r.Renamed)
	left := slices.DeleteFunc(slices.Clone(steps), func(s schema.Step) bool {
		return !slices.ContainsFunc(there.LeftOut, func(i schema.Item) bool { return i.Name == s.ID })
	})
	for i := range left {
		left[i].Undo = "SELECT 1;" // there is nothing of it; it can run once more
		f.ran.Delete(left[i].ID)
	}
	if err := f.persist(ctx, "try foreign keys again", func() error { return f.end.Undo(ctx, left) }); err != nil {
		return err
	}
	f.o.Hook("engine: foreign keys forgotten")
	// All of them: those that a kill right here has left unmarked are not left out any more, and the others
	// run once (I8).
	return f.inOrder(ctx, "try foreign keys again", steps)
}

// unacknowledged is a refusal for things that nobody has said to know of.
func unacknowledged(items []schema.Item, what, digest, hint string) error {
	noun := "things"
	if len(items) == 1 {
		noun = "thing"
	}
	return fault.New(fault.Preflight, fmt.Errorf("%d %s %s, and manifest %s is not acknowledged: %s", len(items), noun, what, digest, schema.Few(items)), hint)
}

// manifest looks at both sides. made says that the schema is on the target; more are items that only
// the job knows.
func (j *job) manifest(ctx context.Context, made bool, more []schema.Item) (*schema.Manifest, error) {
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
	l := schema.Losses{Select: j.rec.Select, Target: &facts.Site, Own: []string{j.rec.Slot, j.rec.Publication}, Made: made, Fenced: fenced, Libraries: &j.libraries}
	m, err := l.Read(ctx, conn)
	if err != nil {
		return nil, err
	}
	named := j.work.Superuser()
	facts.LeftOut = slices.DeleteFunc(facts.LeftOut, func(i schema.Item) bool { return named[i.Name] })
	if j.rec.Select.IsZero() { // what stands of schema public is compared by itself
		facts.LeftOut = slices.DeleteFunc(facts.LeftOut, func(i schema.Item) bool { return ofPublic.MatchString(i.Name) })
	}
	return m.With(slices.Concat(more, facts.LeftOut, j.rec.Tablespaces.Items())...), nil
}

// ofPublic are the steps that pg_dump has for schema public, whose owner our role seldom is.
var ofPublic = regexp.MustCompile(`^(ACL|COMMENT) SCHEMA "?public"?$`)

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
	src, err := schema.ReadSite(ctx, conn, &j.libraries)
	if err != nil {
		return err
	}
	j.work.Pre = append(j.work.Pre, schema.DatabaseSteps(src, &facts.Site)...)
	return nil
}

// rebase has the schema as it is carried hold what is carried now of tables that are taken through
// again; of those that are gone, nothing.
func (p *replan) rebase(named map[string]any) error {
	all := schema.Baseline{}
	if found, err := p.store.Get(keyBaseline, &all); err != nil || !found {
		return err
	}
	var old []string
	for i := range p.old {
		old = append(old, p.old[i].String())
	}
	r, err := p.carriedNames()
	if err != nil {
		return err
	}
	all.Take(schema.NewBaseline(p.entries, schema.Spelled(r.Renamed)), append(old, p.job.work.Owned(p.old)...))
	named[keyBaseline] = all
	return nil
}

// changedSchema names what was made, changed or dropped on the source since it was carried. Tables and
// sequences that are new are made at the fence.
func (j *job) changedSchema(ctx context.Context) ([]schema.Item, error) {
	var then schema.Baseline
	if found, err := j.store.Get(keyBaseline, &then); err != nil || !found {
		return nil, err
	}
	entries, err := j.dumpSchema(ctx, "fence.dump", j.rec.Select)
	if err != nil {
		return nil, err
	}
	known, err := j.given() // what is not made at the fence
	if err != nil {
		return nil, err
	}
	r, err := j.carriedNames()
	if err != nil {
		return nil, err
	}
	comes := map[string]bool{} // schemas that come with a table that is new
	for i := range entries {
		if e := &entries[i]; e.Type == "TABLE" && !known[e.Schema+"."+e.Name] {
			comes[schema.SchemaKey(e.Schema)] = true
		}
	}
	items := schema.NewBaseline(entries, schema.Spelled(r.Renamed)).Since(then, func(relation string) bool {
		if _, there := then[relation]; strings.HasPrefix(relation, schema.SchemaKey("")) {
			return !there && comes[relation]
		}
		return !known[relation]
	})
	return j.carriedAlike(ctx, items)
}
