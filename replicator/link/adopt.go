package link

import (
	"context"

	"replicator/chunker"
	"replicator/replicator/schema"
)

// adoptArgs are those of target.End.Adopt.
type adoptArgs struct {
	Table    *chunker.Table
	Receipts []chunker.Receipt
	Clear    []chunker.Chunk
}

// Forget implements target.End.
func (r *Remote) Forget(ctx context.Context) error {
	_, err := do[nothing, nothing](ctx, r, methodForget, nothing{})
	return err
}

// Standing implements target.End.
func (r *Remote) Standing(ctx context.Context, tables []chunker.Table) ([]schema.Definition, error) {
	return do[[]chunker.Table, []schema.Definition](ctx, r, methodStanding, tables)
}

// Adopt implements target.End.
func (r *Remote) Adopt(ctx context.Context, t *chunker.Table, receipts []chunker.Receipt, clear []chunker.Chunk) error {
	_, err := do[adoptArgs, nothing](ctx, r, methodAdopt, adoptArgs{t, receipts, clear})
	return err
}
