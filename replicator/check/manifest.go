package check

import (
	"context"
	"fmt"

	"replicator/replicator/schema"
)

// sites reads of both sides, where they are there, what decides on what can be carried.
func (r *run) sites(ctx context.Context) (err error) {
	for _, s := range r.sides() {
		if s.site != nil {
			continue
		}
		if s.site, err = schema.ReadSite(ctx, s.conn, nil); err != nil {
			return s.failed(err)
		}
	}
	return nil
}

// manifest lists what will not be on the target as it is on the source. It is the one that seed makes,
// as long as neither side changes and the roles are those of seed.
func (r *run) manifest(ctx context.Context) error {
	if err := r.sites(ctx); err != nil {
		return err
	}
	l := schema.Losses{Select: r.o.Select, Own: []string{r.o.Slot, r.o.Publication}}
	if r.dst != nil {
		l.Target = r.dst.site
	}
	m, err := l.Read(ctx, r.src.conn)
	if err != nil {
		return r.src.failed(fmt.Errorf("make the manifest: %w", err))
	}
	r.report.Manifest = m
	return nil
}
