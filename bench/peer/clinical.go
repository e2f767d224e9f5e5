package peer

import (
	"context"
	"fmt"

	"replicator/bench/clinical"
)

// A table with an exclusion constraint makes pgcopydb 0.10 restore its primary key twice and fail.
// The table is small; without the constraint it can take part, and so nobody gets it.
const (
	Exclusion     = "exclusion constraint emergency.one_visit_a_bay"
	dropExclusion = "ALTER TABLE emergency.bay_occupancy DROP CONSTRAINT one_visit_a_bay"
)

// Hospital fills a new database with clinical data. Rows depend on the scale only.
func Hospital(ctx context.Context, s *Server, db string, scale float64) error {
	if err := s.Fresh(ctx, db); err != nil {
		return err
	}
	if err := clinical.Load(ctx, s.SocketDSN(db), clinical.Options{Scale: scale, Seed: 1, Canary: "~"}); err != nil {
		return err
	}
	if err := s.Exec(ctx, db, dropExclusion); err != nil {
		return fmt.Errorf("drop the %s: %w", Exclusion, err)
	}
	return s.Exec(ctx, db, "VACUUM (FREEZE, ANALYZE)") // hint bits are nobody's work
}
