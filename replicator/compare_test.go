package replicator

import (
	"testing"

	"replicator/chunker"
)

func TestFewer(t *testing.T) {
	for _, c := range []struct {
		rows int64
		keys int
		want bool
	}{{2_000_000, 1_000_000, true}, {20_000_000, 1_000_000, true}, {30_000_000, 1_000_000, false}, {1000, 1000, false}, {2_000_000, 60_000, false}, {900_000, 60_000, true}, {-1, 1_000_000, false}} {
		if got := fewer(&chunker.Table{Rows: c.rows}, c.keys); got != c.want {
			t.Errorf("%d keys of %d rows: %v", c.keys, c.rows, got)
		}
	}
}
