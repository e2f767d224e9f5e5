package clinical

import "time"

// Rows at scale 1, together about 1.5 GB with indexes. Where the comment says at least, a tiny
// database still has enough rows for every reference to find one.
type size struct {
	departments, staff, drugs, bays, clinics, devices int // at least a handful
	patients, encounters, orders, medication          int
	observations, notes, documents, audit             int
	allergies, consents, visits, incidents            int
	referrals, appointments, readings, bills          int
	messages                                          int
}

func sizeAt(scale float64) size {
	n := func(least int, full float64) int { return max(least, int(full*scale)) }
	return size{
		departments: n(6, 40), staff: n(24, 2000), drugs: n(40, 600), bays: n(8, 60),
		clinics: n(4, 30), devices: n(6, 300),
		patients: n(60, 60_000), encounters: n(80, 150_000), orders: n(80, 300_000),
		medication: n(100, 300_000), observations: n(400, 4_000_000), notes: n(40, 60_000),
		documents: n(10, 6_000), audit: n(100, 500_000), allergies: n(30, 40_000),
		consents: n(30, 40_000), visits: n(60, 60_000), incidents: n(20, 6_000),
		referrals: n(40, 40_000), appointments: n(60, 80_000), readings: n(100, 300_000),
		bills: n(60, 150_000), messages: n(30, 40_000),
	}
}

// The rows' history ends at a fixed moment, so that a seed gives the same rows on every day.
var (
	historyStart = time.Date(2024, 12, 20, 0, 0, 0, 0, time.UTC) // the first days fall outside the monthly partitions
	historyEnd   = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
)

// when spreads n events in order over the history.
func when(i, n int) time.Time {
	step := historyEnd.Sub(historyStart) / time.Duration(n)
	return historyStart.Add(time.Duration(i) * step).Truncate(time.Microsecond)
}

// patientOf scatters encounters and visits over patients; tables that name both agree by it.
func (s size) patientOf(event int) int {
	return 1 + int(mix(uint64(event))%uint64(s.patients))
}

// mix is the finaliser of SplitMix64: a fixed scatter, the same for every seed.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
