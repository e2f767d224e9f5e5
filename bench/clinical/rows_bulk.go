package clinical

import (
	"fmt"
	"strconv"
	"time"
)

// uuid kinds.
const (
	visitID = iota + 1
	documentID
	messageID
)

var (
	noteTitles = []string{"Progress note", "Admission", "Discharge letter", "Nursing handover", "Consult"}
	drugUnits  = []string{"mg", "ml", "IU", "puffs"}
	dayTimes   = []string{"{08:00}", "{08:00,20:00}", "{06:00,14:00,22:00}", "{24:00}", "{}"}
	orderKinds = []string{"lab", "imaging", "diet", "consult"}
)

// recordBulk are the tables that hold nearly all bytes.
func recordBulk() []table {
	return []table{
		{"record.observation", "id, patient_id, encounter_id, code, value, unit, abnormal, taken_at",
			func(s size) int { return s.observations }, fillObservation},
		{"record.note", "id, patient_id, encounter_id, author_id, title, body, addendum, signed, revision, changed_at",
			func(s size) int { return s.notes }, fillNote},
		{"record.document", "id, patient_id, encounter_id, title, pages, content, scanned",
			func(s size) int { return s.documents }, fillDocument},
		{"record.audit", "at, actor, action, relation, row_id, before",
			func(s size) int { return s.audit }, fillAudit},
		{`record."order"`, "id, encounter_id, placed_by, kind, status, priority, details, placed_at, done_at",
			func(s size) int { return s.orders }, fillOrder},
		{"record.order_item", "order_id, line, code, quantity, remark",
			func(s size) int { return 2 * s.orders }, fillOrderItem},
		{"record.medication", "id, patient_id, encounter_id, drug_code, dose, daily, times, course, prescriber_id, instructions, stopped",
			func(s size) int { return s.medication }, fillMedication},
	}
}

func fillObservation(r *row, i int) {
	enc := i * r.size.encounters / r.size.observations
	test := r.rng.IntN(len(tests))
	r.int(5 * (i + 1))
	r.int(r.size.patientOf(enc + 1))
	r.int(enc + 1)
	r.text(tests[test])
	if r.chance(0.02) {
		r.null()
	} else {
		r.fixed(r.rng.IntN(200_000), 3)
	}
	r.text(units[test%len(units)])
	r.bool(r.chance(0.1))
	r.time(when(i, r.size.observations))
}

// encounter writes patient_id and encounter_id of event i.
func (r *row) encounter(i, n int) {
	enc := i*r.size.encounters/n + 1
	r.int(r.size.patientOf(enc))
	r.int(enc)
}

func fillNote(r *row, i int) {
	r.int(i + 1)
	r.encounter(i, r.size.notes)
	r.int(1 + r.rng.IntN(r.size.staff))
	r.text(pick(r, noteTitles) + " " + strconv.Itoa(i))
	r.text(r.words.Text(r.rng, 500+r.rng.IntN(8_000)))
	if r.chance(0.7) {
		r.null()
	} else {
		r.text(r.words.Text(r.rng, 100+r.rng.IntN(3_000)))
	}
	r.bool(r.chance(0.8))
	r.int(1 + r.rng.IntN(4))
	r.time(when(i, r.size.notes))
}

func fillDocument(r *row, i int) {
	r.lit(r.uuid(documentID, i))
	if r.chance(0.01) { // of an encounter that is gone
		r.int(r.size.patientOf(i))
		r.int(1_000_000_000 + i)
	} else {
		r.encounter(i, r.size.documents)
	}
	r.text(fmt.Sprintf("Scan %d.pdf", i))
	r.lit(fmt.Sprintf("{[1,%d),[40,41)}", 2+r.rng.IntN(30)))
	r.bytes(scan(r.rng.Uint64, 4_000+r.rng.IntN(72_000), r.canary))
	r.time(when(i, r.size.documents))
}

// scan is what a scanner makes: bytes that do not compress, the canary among them.
func scan(next func() uint64, n int, canary string) []byte {
	b := make([]byte, 0, n+len(canary)+16)
	b = append(b, Mark("%PDF-1.7", canary)...)
	for len(b) < n {
		v := next()
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24), byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	return b
}

func fillAudit(r *row, i int) {
	r.time(when(i, r.size.audit))
	r.text(fmt.Sprintf("nurse-%d", r.rng.IntN(r.size.staff)))
	r.lit(pick(r, []string{"INSERT", "UPDATE", "UPDATE", "DELETE"}))
	r.lit(pick(r, []string{"patient", "encounter", "medication"}))
	r.int(1 + r.rng.IntN(r.size.patients))
	r.lit(r.json("bed", pick(r, cities), "number", r.rng.IntN(1000)))
}

func fillOrder(r *row, i int) {
	status := pick(r, []string{"done", "done", "done", "cancelled", "in progress", "open"})
	at := when(i, r.size.orders)
	r.int(1000 + 10*i)
	r.int(i*r.size.encounters/r.size.orders + 1)
	r.int(1 + r.rng.IntN(r.size.staff))
	r.lit(pick(r, orderKinds))
	r.lit(status)
	r.int(1 + r.rng.IntN(9))
	r.lit(r.json("question", pick(r, complaints), "tubes", r.rng.IntN(5)))
	r.time(at)
	if status == "done" {
		r.time(at.Add(time.Hour))
	} else {
		r.null()
	}
}

func fillOrderItem(r *row, i int) {
	r.int(1000 + 10*(i/2))
	r.int(1 + i%2)
	r.text(pick(r, tests))
	r.fixed(r.rng.IntN(400), 1)
	if r.chance(0.8) {
		r.null()
	} else {
		r.text(r.words.Text(r.rng, 40))
	}
}

func fillMedication(r *row, i int) {
	amount := 1 + r.rng.IntN(500)
	if r.chance(0.005) {
		amount = 0 // from before the constraint
	}
	start := when(i, r.size.medication)
	r.int(i + 1)
	r.encounter(i, r.size.medication)
	r.lit(r.code("N", r.rng.IntN(r.size.drugs)))
	r.lit(composite(strconv.Itoa(amount), r.mark(pick(r, drugUnits))))
	r.fixed(r.rng.IntN(100_000), 3)
	r.lit(pick(r, dayTimes))
	if r.chance(0.1) {
		r.lit("[" + start.Format("2006-01-02") + ",infinity)")
	} else {
		r.lit("[" + start.Format("2006-01-02") + "," + start.AddDate(0, 0, 1+r.rng.IntN(20)).Format("2006-01-02") + ")")
	}
	r.int(1 + r.rng.IntN(r.size.staff))
	r.text(r.words.Text(r.rng, 30+r.rng.IntN(60)))
	r.bool(r.chance(0.6))
}

// json is a small object of one text and one number.
func (r *row) json(textKey, text, numKey string, num int) string {
	return fmt.Sprintf(`{%q: %s, %q: %d, "flags": [true, null]}`, textKey, jsonString(r.mark(text)), numKey, num)
}
