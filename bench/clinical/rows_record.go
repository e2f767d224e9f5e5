package clinical

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// recordBase are patients, staff and what hangs on them.
func recordBase() []table {
	return []table{
		{"record.patient", "id, mrn, fiscal_code, name, sex, born, died, home, phones, contacts, practitioner_id, merged_into, registered",
			func(s size) int { return s.patients }, fillPatient},
		{"record.encounter", "id, patient_id, department_code, clinician_id, kind, status, period, reason, cost",
			func(s size) int { return s.encounters }, fillEncounter},
		{"record.department", "code, name, head_id, floor, tags",
			func(s size) int { return s.departments }, fillDepartment},
		{"record.staff", "id, badge, name, role, department_code, email, shift, hired, active",
			func(s size) int { return s.staff }, fillStaff},
		{"record.bed", "code, department_code, place, patient_id",
			func(s size) int { return bedsPerDepartment * s.departments }, fillBed},
		{"record.allergy", "id, patient_id, substance, severity, active",
			func(s size) int { return s.allergies }, fillAllergy},
		{"record.drug", "code, name, groups, strengths, safe",
			func(s size) int { return s.drugs }, fillDrug},
		{"record.consent", "id, patient_id, scope, granted, revoked",
			func(s size) int { return s.consents }, fillConsent},
		{"record.retention_policy", "id, relation, keep, reason",
			func(size) int { return len(retained) }, fillRetention},
	}
}

const bedsPerDepartment = 20

func (r *row) name() string {
	title := ""
	if r.chance(0.2) {
		title = r.mark("Dr.")
	}
	return composite(r.mark(pick(r, families)), r.mark(pick(r, givens)), title)
}

func fillPatient(r *row, i int) {
	r.int(i + 1)
	r.lit(r.code("M", i))
	r.text(fmt.Sprintf("FC%012X", mix(r.seed^uint64(i))>>16))
	r.lit(r.name())
	r.lit(pick(r, []string{"female", "male", "male", "female", "other", "not known"}))
	switch {
	case i == 0:
		r.lit("0044-03-15 BC")
	case i == 1:
		r.lit("-infinity")
	default:
		r.lit(fmt.Sprintf("%d-%02d-%02d", 1925+r.rng.IntN(100), 1+r.rng.IntN(12), 1+r.rng.IntN(28)))
	}
	if r.chance(0.97) {
		r.null()
	} else {
		r.time(when(i, r.size.patients))
	}
	r.lit(composite(r.mark("Via "+pick(r, families)+" "+strconv.Itoa(i)), r.mark(pick(r, cities)), r.mark(strconv.Itoa(40000+i%9999)), "IT"))
	r.lit(array(r.mark(fmt.Sprintf("+39 051 %06d", r.rng.IntN(1e6))), "", r.mark("none")))
	r.lit(fmt.Sprintf(`{"kin": {"name": %s}, "consents": %d}`, jsonString(r.mark(pick(r, givens))), r.rng.IntN(5)))
	r.int(1 + r.rng.IntN(r.size.staff))
	if i > 10 && r.chance(0.02) {
		r.int(1 + r.rng.IntN(i-1))
	} else {
		r.null()
	}
	r.time(when(i, r.size.patients))
}

func fillEncounter(r *row, i int) {
	status := "discharged"
	at := when(i, r.size.encounters)
	until := at.AddDate(0, 0, r.rng.IntN(14)).Add(time.Hour)
	if r.size.encounters-i < r.size.encounters/20 {
		status, until = "open", time.Time{}
	}
	r.int(i + 1)
	r.int(r.size.patientOf(i + 1))
	r.lit(r.code("D", r.rng.IntN(r.size.departments)))
	r.int(1 + r.rng.IntN(r.size.staff))
	r.lit(pick(r, []string{"inpatient", "outpatient", "emergency", "day-case"}))
	r.lit(status)
	r.period(at, until)
	r.text(pick(r, complaints))
	r.fixed(r.rng.IntN(1_000_000), 2)
}

func fillDepartment(r *row, i int) {
	r.lit(r.code("D", i))
	r.text("Department " + pick(r, cities))
	r.int(1 + r.rng.IntN(r.size.staff))
	r.int(i%8 - 1)
	r.lit(array(r.mark("ward"), r.mark(`said "quiet"`)))
}

func fillStaff(r *row, i int) {
	r.int(i + 1)
	r.text(fmt.Sprintf("B%06d", i))
	r.lit(r.name())
	r.lit(pick(r, []string{"nurse", "physician", "technician", "clerk"}))
	r.lit(r.code("D", i%r.size.departments))
	r.text(fmt.Sprintf("staff.%d@hospital.example", i))
	r.lit(pick(r, []string{"[6,14)", "[14,22)", "empty", "(,)"}))
	r.lit(fmt.Sprintf("%d-06-01", 1985+r.rng.IntN(40)))
	r.bool(r.chance(0.9))
}

func fillBed(r *row, i int) {
	r.lit(r.code("BED", i))
	r.lit(r.code("D", i/bedsPerDepartment))
	r.int(i % bedsPerDepartment)
	if r.chance(0.3) {
		r.null()
	} else {
		r.int(1 + r.rng.IntN(r.size.patients))
	}
}

// fillAllergy keeps (patient, substance) unique: that is an index over the active ones.
func fillAllergy(r *row, i int) {
	r.int(i + 1)
	r.int(1 + i%r.size.patients)
	r.text(substances[i/r.size.patients%len(substances)])
	r.lit(pick(r, []string{"mild", "moderate", "severe"}))
	r.bool(r.chance(0.8))
}

func fillDrug(r *row, i int) {
	r.lit(r.code("N", i))
	r.text("drug " + strconv.Itoa(i))
	r.lit(array(r.mark("A"+strconv.Itoa(i%7)), r.mark("B")))
	r.lit(array(composite("100", r.mark("mg")), composite("0.5", r.mark("g"))))
	r.lit(fmt.Sprintf("[%d,%d.5]", 1+i%10, 100+i%50))
}

func fillConsent(r *row, i int) {
	at := when(i, r.size.consents)
	r.int(i + 1)
	r.int(1 + r.rng.IntN(r.size.patients))
	r.text(pick(r, []string{"research", "portal", "photos"}))
	r.time(at)
	if r.chance(0.9) {
		r.null()
	} else {
		r.time(at.AddDate(0, 1, 0))
	}
}

var retained = []string{"record.patient", "record.audit", `record."order"`, `outpatient."BillingItem"`}

func fillRetention(r *row, i int) {
	r.int(i + 1)
	r.lit(retained[i])
	r.lit(fmt.Sprintf("%d years 2 mons -3 days", 10+i))
	r.text("law " + strconv.Itoa(i))
}

// jsonString quotes as JSON; marshalling a string cannot fail.
func jsonString(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
