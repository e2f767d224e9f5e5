package link

import (
	"context"
	"encoding/json"
	"errors"

	"replicator/chunker"
	"replicator/replicator/largeobject"
	"replicator/replicator/schema"
)

// method is what a call does at the target end.
type method struct {
	fenced bool // only under the job's epoch
	run    func(ctx context.Context, s *session, args json.RawMessage) (json.RawMessage, error)
}

// as makes a method of a function of its arguments.
func as[A, R any](fenced bool, f func(ctx context.Context, s *session, args A) (R, error)) method {
	return method{fenced: fenced, run: func(ctx context.Context, s *session, raw json.RawMessage) (json.RawMessage, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, errors.New("arguments are no JSON that this version knows")
		}
		v, err := f(ctx, s, args)
		if err != nil {
			return nil, err
		}
		return json.Marshal(v)
	}}
}

// methods are those of target.End. Open makes the epoch, the last three are also asked by commands
// that do not open the job.
var methods = map[string]method{
	methodOpen:       as(false, func(ctx context.Context, s *session, a openArgs) (any, error) { return s.end.Open(ctx, a.Create) }),
	methodState:      as(true, func(ctx context.Context, s *session, _ nothing) (any, error) { return s.end.State(ctx) }),
	methodApplied:    as(true, func(ctx context.Context, s *session, _ nothing) (any, error) { return s.end.Applied(ctx) }),
	methodView:       as(true, func(ctx context.Context, s *session, t []*chunker.Table) (any, error) { return s.openView(ctx, t) }),
	methodCloseView:  as(false, func(ctx context.Context, s *session, id uint64) (any, error) { return nothing{}, s.closeView(ctx, id) }),
	methodViewSum:    as(true, func(ctx context.Context, s *session, a sideArgs) (any, error) { return s.fingerprint(ctx, a) }),
	methodViewRows:   as(true, func(ctx context.Context, s *session, a sideArgs) (any, error) { return s.rows(ctx, a) }),
	methodViewLocate: as(true, func(ctx context.Context, s *session, a sideArgs) (any, error) { return s.locate(ctx, a) }),
	methodViewChunks: as(true, func(ctx context.Context, s *session, a sideArgs) (any, error) { return s.byChunk(ctx, a) }),
	methodViewTotals: as(true, func(ctx context.Context, s *session, a totalsArgs) (any, error) { return s.totals(ctx, a) }),
	methodForget:     as(true, func(ctx context.Context, s *session, _ nothing) (any, error) { return nothing{}, s.end.Forget(ctx) }),
	methodStanding:   as(true, func(ctx context.Context, s *session, t []chunker.Table) (any, error) { return s.end.Standing(ctx, t) }),
	methodAdopt: as(true, func(ctx context.Context, s *session, a adoptArgs) (any, error) {
		return nothing{}, s.end.Adopt(ctx, a.Table, a.Receipts, a.Clear)
	}),
	methodMend: as(true, func(ctx context.Context, s *session, a mendArgs) (any, error) {
		return nothing{}, s.end.Mend(ctx, a.Table, a.Remove, a.Rows)
	}),
	methodLookup: as(true, func(ctx context.Context, s *session, a lookupArgs) (any, error) { return s.lookup(ctx, a) }),
	methodReceipt: as(true, func(ctx context.Context, s *session, a receiptArgs) (any, error) {
		if err := s.awaitWriters(ctx, chunkKey{a.Table, a.Chunk}); err != nil {
			return nil, err
		}
		return s.end.Receipt(ctx, a.Table, a.Chunk)
	}),
	methodReset: as(true, func(ctx context.Context, s *session, t *chunker.Table) (any, error) {
		if err := s.awaitTable(ctx, t.Ordinal); err != nil {
			return nil, err
		}
		return nothing{}, s.end.Reset(ctx, t)
	}),
	methodStep: as(true, func(ctx context.Context, s *session, a *schema.Step) (any, error) {
		note, err := s.end.Step(ctx, a)
		return stepAnswer{note}, err
	}),
	methodSteps: as(true, func(ctx context.Context, s *session, a []schema.Step) (any, error) {
		notes, err := s.end.Steps(ctx, a)
		return stepsAnswer{notes, newFailure(err)}, nil
	}),
	methodUndo: as(true, func(ctx context.Context, s *session, a []schema.Step) (any, error) {
		return nothing{}, s.end.Undo(ctx, a)
	}),
	methodFingerprint: as(true, func(ctx context.Context, s *session, a fingerprintArgs) (any, error) {
		return s.end.Fingerprint(ctx, a.Table, a.Text, a.Jobs)
	}),
	methodLargeObjects: as(true, func(ctx context.Context, s *session, a largeobject.Ask) (any, error) {
		return s.end.LargeObjects(ctx, a)
	}),
	methodSetSequences: as(true, func(ctx context.Context, s *session, a []schema.SequenceValue) (any, error) {
		return nothing{}, s.end.SetSequences(ctx, a)
	}),
	methodStrangers: as(true, func(ctx context.Context, s *session, _ nothing) (any, error) { return s.end.Strangers(ctx) }),
	methodSetPhase: as(true, func(ctx context.Context, s *session, phase string) (any, error) {
		return nothing{}, s.end.SetPhase(ctx, phase)
	}),
	methodFacts: as(false, func(ctx context.Context, s *session, _ nothing) (any, error) { return s.end.Facts(ctx) }),
	methodDrop:  as(false, func(ctx context.Context, s *session, _ nothing) (any, error) { return nothing{}, s.end.Drop(ctx) }),
}
