package clinical

import (
	"fmt"
	"strconv"
	"time"
)

var slotStatus = []string{"booked", "arrived", "no show", "seen", "it's off"}

func outpatient() []table {
	return []table{
		{"outpatient.device_reading", "device_id, serial, reading_no, value, precise, fraction, taken, raw",
			func(s size) int { return s.readings }, fillReading},
		{`outpatient."BillingItem"`, `"ItemNo", "patient id", "Unit Price", "Quantity", "it's ""billed""", "isPaid"`,
			func(s size) int { return s.bills }, fillBill},
		{"outpatient.clinic", "code, name, opens, slot_length, staff_ids",
			func(s size) int { return s.clinics }, fillClinic},
		{"outpatient.referral", "number, patient_id, clinic_code, urgency, letter, received",
			func(s size) int { return s.referrals }, fillReferral},
		{"outpatient.referral_reply", "id, referral_number, reply",
			func(s size) int { return s.referrals / 2 }, fillReply},
		{"outpatient.appointment", "id, patient_id, clinic_code, slot, status, remark",
			func(s size) int { return s.appointments }, fillAppointment},
		{"outpatient.appointment_history", "id, appointment_id, status, at",
			func(s size) int { return s.appointments / 2 }, fillHistory},
		{"outpatient.device", "id, label, address, net, mac, flags, mask, place, calibrated, price, class, config",
			func(s size) int { return s.devices }, fillDevice},
		{"outpatient.portal_message", "id, patient_id, clinic_code, body, sent",
			func(s size) int { return s.messages }, fillMessage},
	}
}

// fillReading has every number that is not one.
func fillReading(r *row, i int) {
	r.int(1 + i%r.size.devices)
	r.lit(r.code("SN", i%r.size.devices))
	r.int(i/r.size.devices + 1)
	switch r.rng.IntN(200) {
	case 0:
		r.lit("NaN")
		r.lit("NaN")
	case 1:
		r.lit("-Infinity")
		r.lit("Infinity")
	case 2:
		r.lit("-0")
		r.lit("0.000")
	default:
		r.lit(strconv.FormatFloat(r.rng.NormFloat64(), 'g', -1, 64))
		r.fixed(r.rng.IntN(1e9), r.rng.IntN(9))
	}
	r.lit(strconv.FormatFloat(float64(r.rng.Float32()), 'g', -1, 32))
	r.lit(when(i, r.size.readings).Format("2006-01-02 15:04:05.999999"))
	if r.chance(0.5) {
		r.bytes(nil)
	} else {
		r.bytes(scan(r.rng.Uint64, 16, r.canary))
	}
}

func fillBill(r *row, i int) {
	r.int(i + 1)
	r.int(1 + r.rng.IntN(r.size.patients))
	r.fixed(r.rng.IntN(100_000), 2)
	r.int(1 + r.rng.IntN(5))
	r.text(pick(r, tests) + " & more")
	r.bool(r.chance(0.7))
}

func fillClinic(r *row, i int) {
	r.lit(r.code("C", i))
	r.text("Clinic " + pick(r, cities))
	r.lit(pick(r, []string{"08:00+01", "07:30:00.5-03:30", "24:00+00"}))
	r.lit(pick(r, []string{"15 minutes", "1 mon -1 days +02:03:04"}))
	r.lit(fmt.Sprintf("{{%d,%d},{NULL,%d}}", 1+r.rng.IntN(20), 1+r.rng.IntN(20), 1+r.rng.IntN(20)))
}

func fillReferral(r *row, i int) {
	r.lit(r.code("R", i))
	r.int(1 + r.rng.IntN(r.size.patients))
	r.lit(r.code("C", r.rng.IntN(r.size.clinics)))
	r.int(r.rng.IntN(4))
	r.text(r.words.Text(r.rng, 100+r.rng.IntN(900)))
	r.lit(when(i, r.size.referrals).Format("2006-01-02"))
}

func fillReply(r *row, i int) {
	r.int(100 + 3*i)
	r.lit(r.code("R", 2*i))
	r.text(r.words.Text(r.rng, 50+r.rng.IntN(400)))
}

func fillAppointment(r *row, i int) {
	at := when(i, r.size.appointments)
	r.int(1001 + 2*i)
	r.int(1 + r.rng.IntN(r.size.patients))
	r.lit(r.code("C", r.rng.IntN(r.size.clinics)))
	r.period(at, at.Add(15*time.Minute))
	r.lit(pick(r, slotStatus))
	r.text(pick(r, complaints))
}

func fillHistory(r *row, i int) {
	r.int(i + 1)
	r.int(1001 + 4*i)
	r.lit(pick(r, slotStatus))
	r.time(when(i, r.size.appointments))
}

func fillDevice(r *row, i int) {
	r.int(i + 1)
	r.text("device " + strconv.Itoa(i))
	r.lit(pick(r, []string{"192.168.1.7/24", "fe80::1", "::ffff:1.2.3.4"}))
	r.lit("10.20.0.0/16")
	r.lit(fmt.Sprintf("08:00:2b:01:%02x:%02x", i>>8&255, i&255))
	r.lit(fmt.Sprintf("%08b", i&255))
	r.lit("101")
	r.lit(fmt.Sprintf("(%d.5,-%d)", i, i))
	r.lit(pick(r, []string{"2026-02-28 12:00:00", "infinity", "4713-01-01 00:00:00 BC"}))
	r.lit(fmt.Sprintf("%d.25", i*1000))
	r.lit(string(rune('A' + i%26)))
	r.lit(fmt.Sprintf(`{"b": %s,  "a": 1, "a": 2}`, jsonString(r.mark("kept as written"))))
}

func fillMessage(r *row, i int) {
	r.lit(r.uuid(messageID, i))
	r.int(1 + r.rng.IntN(r.size.patients))
	r.lit(r.code("C", r.rng.IntN(r.size.clinics)))
	r.text(r.words.Text(r.rng, 50+r.rng.IntN(500)))
	r.time(when(i, r.size.messages))
}
