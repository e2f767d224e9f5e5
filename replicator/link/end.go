package link

import (
	"context"

	"replicator/checksum"
	"replicator/chunker"
	"replicator/replicator/largeobject"
	"replicator/replicator/schema"
	"replicator/replicator/target"
	"replicator/wal"
)

var _ target.End = (*Remote)(nil)

// Open implements target.End. From now on everything that is sent carries the new epoch.
func (r *Remote) Open(ctx context.Context, create bool) (target.State, error) {
	st, err := do[openArgs, target.State](ctx, r, methodOpen, openArgs{create})
	if err == nil {
		r.epoch.Store(st.Epoch)
	}
	return st, err
}

// State implements target.End.
func (r *Remote) State(ctx context.Context) (target.State, error) {
	return do[nothing, target.State](ctx, r, methodState, nothing{})
}

// Applied implements target.End.
func (r *Remote) Applied(ctx context.Context) (wal.LSN, error) {
	return do[nothing, wal.LSN](ctx, r, methodApplied, nothing{})
}

// Receipt implements target.End. It waits for a commit of the chunk that a lost connection left open.
func (r *Remote) Receipt(ctx context.Context, table, chunk int) (*chunker.Receipt, error) {
	return do[receiptArgs, *chunker.Receipt](ctx, r, methodReceipt, receiptArgs{table, chunk})
}

// Reset implements target.End.
func (r *Remote) Reset(ctx context.Context, t *chunker.Table) error {
	_, err := do[*chunker.Table, nothing](ctx, r, methodReset, t)
	return err
}

// Step implements target.End.
func (r *Remote) Step(ctx context.Context, s *schema.Step) (string, error) {
	a, err := do[*schema.Step, stepAnswer](ctx, r, methodStep, s)
	return a.Note, err
}

// Steps implements target.End.
func (r *Remote) Steps(ctx context.Context, steps []schema.Step) ([]string, error) {
	if len(steps) == 0 {
		return nil, nil
	}
	a, err := do[[]schema.Step, stepsAnswer](ctx, r, methodSteps, steps)
	if err == nil {
		err = a.Failure.err()
	}
	return a.Notes, err
}

// Undo implements target.End.
func (r *Remote) Undo(ctx context.Context, steps []schema.Step) error {
	if len(steps) == 0 {
		return nil
	}
	_, err := do[[]schema.Step, nothing](ctx, r, methodUndo, steps)
	return err
}

// Fingerprint implements target.End. Only the fingerprint crosses the link.
func (r *Remote) Fingerprint(ctx context.Context, t *chunker.Table, text bool, jobs int) (checksum.Set, error) {
	return do[fingerprintArgs, checksum.Set](ctx, r, methodFingerprint, fingerprintArgs{t, text, jobs})
}

// LargeObjects implements target.End. Only the list crosses the link.
func (r *Remote) LargeObjects(ctx context.Context, ask largeobject.Ask) (largeobject.Answer, error) {
	return do[largeobject.Ask, largeobject.Answer](ctx, r, methodLargeObjects, ask)
}

// SetSequences implements target.End.
func (r *Remote) SetSequences(ctx context.Context, seqs []schema.SequenceValue) error {
	_, err := do[[]schema.SequenceValue, nothing](ctx, r, methodSetSequences, seqs)
	return err
}

// Facts implements target.End.
func (r *Remote) Facts(ctx context.Context) (target.Facts, error) {
	return do[nothing, target.Facts](ctx, r, methodFacts, nothing{})
}

// Strangers implements target.End.
func (r *Remote) Strangers(ctx context.Context) ([]target.Stranger, error) {
	return do[nothing, []target.Stranger](ctx, r, methodStrangers, nothing{})
}

// SetPhase implements target.End.
func (r *Remote) SetPhase(ctx context.Context, phase string) error {
	_, err := do[string, nothing](ctx, r, methodSetPhase, phase)
	return err
}

// Drop implements target.End.
func (r *Remote) Drop(ctx context.Context) error {
	_, err := do[nothing, nothing](ctx, r, methodDrop, nothing{})
	return err
}
