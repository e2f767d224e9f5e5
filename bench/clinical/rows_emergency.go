package clinical

import (
	"fmt"
	"strconv"
	"time"
)

var triage = []string{"red", "orange", "yellow", "green", "non urgent"}

func emergency() []table {
	return []table{
		{"emergency.bay", "id, label, monitor, equipment",
			func(s size) int { return s.bays }, fillBay},
		{"emergency.visit", "id, patient_id, ticket, triage, triage_history, arrived, left_at, complaint, vitals",
			func(s size) int { return s.visits }, fillVisit},
		{"emergency.triage_event", "visit_id, seq, level, nurse_id, at, remarks",
			func(s size) int { return eventsPerVisit * s.visits }, fillTriageEvent},
		{"emergency.bay_occupancy", "id, bay_id, visit_id, during",
			func(s size) int { return s.visits }, fillOccupancy},
		{"emergency.queue_ticket", "id, number, called_at, remark",
			func(size) int { return 200 }, fillTicket},
		{"emergency.incident", "id, at, description, severity",
			func(s size) int { return s.incidents }, fillIncident},
		{"emergency.fall_incident", "id, at, description, severity, from_bed, witness",
			func(s size) int { return s.incidents / 2 }, fillFall},
		{"emergency.board_cache", "bay_id, payload, refreshed",
			func(s size) int { return s.bays }, fillBoard},
	}
}

const eventsPerVisit = 3

func fillBay(r *row, i int) {
	r.int(i + 1)
	r.text("Bay " + strconv.Itoa(i+1))
	r.lit(fmt.Sprintf("10.1.%d.%d", i/200, 1+i%200))
	r.lit(array(r.mark("monitor"), r.mark("oxygen, wall")))
}

func fillVisit(r *row, i int) {
	at := when(i, r.size.visits)
	r.lit(r.uuid(visitID, i))
	r.int(r.size.patientOf(i))
	r.int(1 + i%999)
	if r.chance(0.05) {
		r.null()
		r.null()
	} else {
		r.lit(pick(r, triage))
		r.lit(array(pick(r, triage), pick(r, triage)))
	}
	r.time(at)
	if r.size.visits-i < 10 {
		r.null()
	} else {
		r.time(at.Add(time.Duration(1+r.rng.IntN(600)) * time.Minute))
	}
	r.text(pick(r, complaints))
	r.lit(fmt.Sprintf(`{"pulse": %d, "bp": [%d, %d.50], "seen by": %s}`,
		50+r.rng.IntN(80), 90+r.rng.IntN(90), 50+r.rng.IntN(50), jsonString(r.mark(pick(r, families)))))
}

func fillTriageEvent(r *row, i int) {
	visit := i / eventsPerVisit
	r.lit(r.uuid(visitID, visit))
	r.int(1 + i%eventsPerVisit)
	r.lit(pick(r, triage))
	r.int(1 + r.rng.IntN(r.size.staff))
	r.time(when(visit, r.size.visits).Add(time.Duration(i%eventsPerVisit) * 10 * time.Minute))
	r.text(r.words.Text(r.rng, 20+r.rng.IntN(100)))
}

// fillOccupancy gives each bay one visit after another, never two at once.
func fillOccupancy(r *row, i int) {
	n := r.size.visits/r.size.bays + 1
	from, until := when(i/r.size.bays, n), when(i/r.size.bays+1, n)
	r.int(i + 1)
	r.int(1 + i%r.size.bays)
	r.lit(r.uuid(visitID, i))
	r.period(from, until.Add(-time.Minute))
}

func fillTicket(r *row, i int) {
	r.int(i + 1)
	r.int(i)
	r.time(when(i, 200))
	r.text("called")
}

func fillIncident(r *row, i int) {
	r.int(i + 1)
	r.time(when(i, r.size.incidents))
	r.text(r.words.Text(r.rng, 50+r.rng.IntN(300)))
	r.lit(pick(r, []string{"mild", "moderate", "severe"}))
}

func fillFall(r *row, i int) {
	fillIncident(r, i+r.size.incidents) // the same numbering
	r.bool(r.chance(0.5))
	if r.chance(0.5) {
		r.null()
	} else {
		r.text(pick(r, givens))
	}
}

func fillBoard(r *row, i int) {
	r.int(i + 1)
	r.lit(r.json("patient", pick(r, families), "waiting", r.rng.IntN(300)))
	r.time(historyEnd)
}
