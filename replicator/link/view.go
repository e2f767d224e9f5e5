package link

import (
	"context"
	"errors"
	"slices"
	"time"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/target"
)

// sideArgs name a table of a view and what is asked of it.
type sideArgs struct {
	View   uint64
	Table  *chunker.Table
	Text   bool
	Jobs   int
	Secret []byte
	Of     checksum.Selection
	Limit  int                // of rows
	Hashes []checksum.KeyHash // to be located
	Chunks []chunker.Chunk    // to be summed up one by one
}

// remoteView is a view that the target end keeps.
type remoteView struct {
	r  *Remote
	id uint64
}

// View implements target.End.
func (r *Remote) View(ctx context.Context, tables []*chunker.Table) (target.View, error) {
	id, err := do[[]*chunker.Table, uint64](ctx, r, methodView, tables)
	if err != nil {
		return nil, err
	}
	return &remoteView{r, id}, nil
}

// closingWait bounds the wait for a link that is down: a view that nobody closes ends with the session.
const closingWait = 5 * time.Second

// Close implements target.View.
func (v *remoteView) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closingWait)
	defer cancel()
	_, err := do[uint64, nothing](ctx, v.r, methodCloseView, v.id)
	return err
}

// Side implements target.View.
func (v *remoteView) Side(t *chunker.Table, text bool, jobs int, secret checksum.Secret) target.Side {
	return &remoteSide{v.r, sideArgs{View: v.id, Table: t, Text: text, Jobs: jobs, Secret: secret[:]}}
}

// totalsArgs name tables of a view.
type totalsArgs struct {
	View   uint64
	Tables []*chunker.Table
	Text   bool
	Jobs   int
	Secret []byte
	Of     checksum.Selection
}

// Totals implements target.View.
func (v *remoteView) Totals(ctx context.Context, ask target.Totals) ([]checksum.Set, error) {
	return do[totalsArgs, []checksum.Set](ctx, v.r, methodViewTotals, totalsArgs{v.id, ask.Tables, ask.Text, ask.Jobs, ask.Secret[:], ask.Of})
}

// remoteSide is a table of a view. Only fingerprints and hashes of rows cross the link.
type remoteSide struct {
	r    *Remote
	args sideArgs
}

// Fingerprint implements chunker.Side.
func (s *remoteSide) Fingerprint(ctx context.Context, of checksum.Selection) (*checksum.Fingerprint, error) {
	args := s.args
	args.Of = of
	raw, err := do[sideArgs, []byte](ctx, s.r, methodViewSum, args)
	if err != nil {
		return nil, err
	}
	f := new(checksum.Fingerprint)
	return f, f.UnmarshalBinary(raw)
}

// Rows implements chunker.Side.
func (s *remoteSide) Rows(ctx context.Context, of checksum.Selection, limit int) (*checksum.Rows, error) {
	args := s.args
	args.Of, args.Limit = of, limit
	raw, err := do[sideArgs, []byte](ctx, s.r, methodViewRows, args)
	if err != nil {
		return nil, err
	}
	rows := new(checksum.Rows)
	return rows, rows.UnmarshalBinary(raw)
}

// Locate implements target.Side.
func (s *remoteSide) Locate(ctx context.Context, hashes []checksum.KeyHash) ([]chunker.Located, error) {
	args := s.args
	args.Hashes = hashes
	return do[sideArgs, []chunker.Located](ctx, s.r, methodViewLocate, args)
}

// ByChunk implements target.Side.
func (s *remoteSide) ByChunk(ctx context.Context, chunks []chunker.Chunk) ([]checksum.Set, error) {
	args := s.args
	args.Chunks = chunks
	return do[sideArgs, []checksum.Set](ctx, s.r, methodViewChunks, args)
}

// Mend implements target.End.
func (r *Remote) Mend(ctx context.Context, t *chunker.Table, remove []string, rows []byte) error {
	_, err := do[mendArgs, nothing](ctx, r, methodMend, mendArgs{t, remove, rows})
	return err
}

// lookupArgs hold keys of rows.
type lookupArgs struct {
	Secret []byte
	List   []chunker.Keyed
}

// Lookup implements target.End.
func (r *Remote) Lookup(ctx context.Context, secret checksum.Secret, list []chunker.Keyed) ([]checksum.Set, error) {
	return do[lookupArgs, []checksum.Set](ctx, r, methodLookup, lookupArgs{secret[:], list})
}

func (s *session) lookup(ctx context.Context, a lookupArgs) ([]checksum.Set, error) {
	var secret checksum.Secret
	if copy(secret[:], a.Secret) != len(secret) || slices.ContainsFunc(a.List, func(k chunker.Keyed) bool { return k.Table == nil }) {
		return nil, damaged("no table or key")
	}
	return s.end.Lookup(ctx, secret, a.List)
}

// mendArgs hold rows: they travel, and are kept nowhere.
type mendArgs struct {
	Table  *chunker.Table
	Remove []string
	Rows   []byte
}

func (s *session) locate(ctx context.Context, a sideArgs) ([]chunker.Located, error) {
	side, err := s.side(a)
	if err != nil {
		return nil, err
	}
	return side.Locate(ctx, a.Hashes)
}

func (s *session) byChunk(ctx context.Context, a sideArgs) ([]checksum.Set, error) {
	side, err := s.side(a)
	if err != nil {
		return nil, err
	}
	return side.ByChunk(ctx, a.Chunks)
}

// openView keeps a view for the engine; it ends with the session at the latest.
func (s *session) openView(ctx context.Context, tables []*chunker.Table) (uint64, error) {
	v, err := s.end.View(ctx, tables)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	s.views[s.opened] = v
	return s.opened, nil
}

func (s *session) closeView(ctx context.Context, id uint64) error {
	s.mu.Lock()
	v := s.views[id]
	delete(s.views, id)
	s.mu.Unlock()
	if v == nil {
		return nil
	}
	return v.Close(ctx)
}

func (s *session) closeViews(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, v := range s.views {
		_ = v.Close(ctx)
		delete(s.views, id)
	}
}

// errNoView says that the target end was started again, or the session ended, since the view was opened. A
// catch-up and seed --reuse open another.
var errNoView = fault.New(fault.Link, errors.New("the view of the target is gone: replicator serve was started again, or its session ended"),
	"run it again: a verification goes on with the tables that are left")

func (s *session) view(id uint64) (target.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.views[id]
	if v == nil {
		return nil, errNoView
	}
	return v, nil
}

func (s *session) side(a sideArgs) (target.Side, error) {
	var secret checksum.Secret
	if copy(secret[:], a.Secret) != len(secret) || a.Table == nil {
		return nil, damaged("no table or key")
	}
	v, err := s.view(a.View)
	if err != nil {
		return nil, err
	}
	return v.Side(a.Table, a.Text, a.Jobs, secret), nil
}

func (s *session) totals(ctx context.Context, a totalsArgs) ([]checksum.Set, error) {
	ask := target.Totals{Tables: a.Tables, Text: a.Text, Jobs: a.Jobs, Of: a.Of}
	if copy(ask.Secret[:], a.Secret) != len(ask.Secret) || slices.Contains(a.Tables, nil) {
		return nil, damaged("no table or key")
	}
	v, err := s.view(a.View)
	if err != nil {
		return nil, err
	}
	return v.Totals(ctx, ask)
}

func (s *session) fingerprint(ctx context.Context, a sideArgs) ([]byte, error) {
	side, err := s.side(a)
	if err != nil {
		return nil, err
	}
	f, err := side.Fingerprint(ctx, a.Of)
	if err != nil {
		return nil, err
	}
	return f.MarshalBinary()
}

func (s *session) rows(ctx context.Context, a sideArgs) ([]byte, error) {
	side, err := s.side(a)
	if err != nil {
		return nil, err
	}
	rows, err := side.Rows(ctx, a.Of, a.Limit)
	if err != nil {
		return nil, err
	}
	return rows.MarshalBinary()
}
