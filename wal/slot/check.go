package slot

import (
	"fmt"

	"replicator/replicator/fault"
	"replicator/wal"
)

const copyAgain = "the copy cannot be continued from this slot: replicator seed --reuse goes on with what the target holds and a new slot"

// Check is invariant I10: the slot is the one that was made and still has every transaction whose
// commit ends above durable. Otherwise it gives a fault.PositionLost that names the LSNs. durable is
// at least the consistent point that [Create] gave.
func Check(s State, durable wal.LSN) error {
	if reason := s.unfit(durable); reason != "" {
		return fault.New(fault.PositionLost, fmt.Errorf("replication slot %s %s", s.Name, reason), copyAgain)
	}
	return nil
}

// unfit says why the slot cannot go on from durable; "" when it can.
func (s *State) unfit(durable wal.LSN) string {
	lost := func(to wal.LSN) string { return fmt.Sprintf("changes from %s to %s are lost", durable, to) }
	switch {
	case s.Current < durable:
		return fmt.Sprintf("is on a source whose WAL ends at %s, before our position %s: the source was set back", s.Current, durable)
	case !s.Exists:
		return "is gone: " + lost(s.Current)
	case s.Type != "logical" || s.Plugin != Plugin:
		return fmt.Sprintf("is not ours any more (%s, plugin %q): %s", s.Type, s.Plugin, lost(s.Current))
	case s.Database != s.Connected:
		return fmt.Sprintf("belongs to database %q, not to %q: %s", s.Database, s.Connected, lost(s.Current))
	case s.Invalidation != "":
		return fmt.Sprintf("was invalidated (%s): %s", s.Invalidation, lost(s.Current))
	case s.Lost():
		return "was invalidated, its WAL was removed: " + lost(s.Current)
	case s.Confirmed > durable:
		return fmt.Sprintf("has moved to %s: %s", s.Confirmed, lost(s.Confirmed))
	}
	return ""
}
