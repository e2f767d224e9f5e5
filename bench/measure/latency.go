package measure

import (
	"slices"
	"time"
)

// Latencies sums up how long something took, time after time: name_p50_seconds, name_p99_seconds,
// name_max_seconds, and under the plain name how many times. It sorts all.
func Latencies(name string, all []time.Duration) Values {
	slices.Sort(all)
	at := func(share float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return all[min(len(all)-1, int(share*float64(len(all))))].Seconds()
	}
	return Values{name: float64(len(all)), name + "_p50_seconds": at(0.50), name + "_p99_seconds": at(0.99), name + "_max_seconds": at(1)}
}
