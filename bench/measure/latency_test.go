package measure

import (
	"maps"
	"testing"
	"time"
)

func TestLatencies(t *testing.T) {
	t.Parallel()
	var all []time.Duration
	for i := range 200 {
		all = append(all, time.Duration(200-i)*time.Millisecond)
	}
	want := Values{"lag": 200, "lag_p50_seconds": 0.101, "lag_p99_seconds": 0.199, "lag_max_seconds": 0.2}
	if got := Latencies("lag", all); !maps.Equal(got, want) {
		t.Errorf("%v and not %v", got, want)
	}
	if got := Latencies("lag", nil); got["lag"] != 0 || got["lag_max_seconds"] != 0 {
		t.Errorf("of none: %v", got)
	}
}
