package schema

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"replicator/replicator/pg"
)

// SequenceValue is where a sequence stands. Sequences are not in the WAL stream.
type SequenceValue struct {
	Relation
	Last   string `json:"last"`   // last_value
	Called string `json:"called"` // is_called, "t" or "f": whether Last has been given out
}

// sequencesAtOnce bounds the locks that one query takes.
const sequencesAtOnce = 50

// SequenceValues reads where all sequences that sel means stand. They stand still only while nobody
// writes.
func SequenceValues(ctx context.Context, conn *pg.Conn, sel Selection) ([]SequenceValue, error) {
	seqs, err := Sequences(ctx, conn, sel)
	if err != nil {
		return nil, err
	}
	values := make([]SequenceValue, 0, len(seqs))
	for group := range slices.Chunk(seqs, sequencesAtOnce) {
		parts := make([]string, len(group))
		for i := range group {
			parts[i] = fmt.Sprintf("SELECT %d, last_value, is_called FROM %s", i, group[i].Qualified())
		}
		rows, err := conn.Query(ctx, strings.Join(parts, " UNION ALL ")+" ORDER BY 1")
		if err != nil {
			return nil, fmt.Errorf("read sequences: %w", err)
		}
		for i, r := range rows {
			values = append(values, SequenceValue{Relation: group[i].Relation, Last: r[1], Called: r[2]})
		}
	}
	return values, nil
}
