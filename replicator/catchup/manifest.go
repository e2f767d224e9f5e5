package catchup

import (
	"context"
	"fmt"

	"replicator/replicator/fault"
	"replicator/replicator/schema"
)

// manifest is the gate of what nobody has said to know of.
func (r *run) manifest(ctx context.Context) (Gate, error) {
	g := Gate{Name: "manifest", Allowed: "losses that are acknowledged", Limit: -1, Unit: "losses"}
	m, err := r.job.Manifest(ctx)
	if err != nil && (m == nil || fault.CodeOf(err) != fault.Preflight) {
		return g, err
	}
	r.report.Manifest = m
	g.Found, g.Measured = fmt.Sprintf("%d not on the target as on the source, %d to know of", len(m.Losses()), len(m.Notes())), float64(len(m.Losses()))
	if err != nil {
		g.Closed, g.Found, g.Hint = true, err.Error(), fault.HintOf(err)
		for _, i := range m.Losses() {
			g.Names = append(g.Names, i.Kind+" "+i.Name)
		}
	}
	return g, nil
}

// look is a manifest under way. Between the gate and the fence somebody may have made something; so it
// is made once more behind the fence, beside the other steps.
type look struct {
	cancel   context.CancelFunc
	done     chan struct{}
	manifest *schema.Manifest
	err      error
}

func (r *run) beginLook(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	l := &look{cancel: cancel, done: make(chan struct{})}
	r.look = l
	go func() {
		defer close(l.done)
		l.manifest, l.err = r.job.Manifest(ctx)
	}()
}

// endLook waits for it.
func (r *run) endLook() error {
	l := r.look
	if l == nil {
		return nil
	}
	<-l.done
	l.cancel()
	if l.manifest != nil {
		r.report.Manifest = l.manifest
	}
	return l.err
}

// stopLook ends it, on whatever way out.
func (r *run) stopLook() {
	if r.look != nil {
		r.look.cancel()
		<-r.look.done
	}
}
