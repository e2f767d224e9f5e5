package workload

import (
	"context"
	"fmt"
	"time"
)

// admit brings somebody to the emergency department: known or new, into a bay.
func admit(ctx context.Context, v *visit) error {
	patient, err := v.patient(ctx)
	if err != nil {
		return err
	}
	encounter, err := v.insert(ctx, &v.known().encounters, `
		INSERT INTO record.encounter (patient_id, department_code, clinician_id, kind, period, reason)
		VALUES ($1, $2, $3, 'emergency', tstzrange(now(), NULL), $4) RETURNING id`,
		patient, v.one(v.known().departments...), v.some(&v.known().staff), v.say(30))
	if err != nil {
		return err
	}
	id, err := v.arrive(ctx, patient)
	if err != nil {
		return err
	}
	if err := v.occupy(ctx, id); err != nil {
		return err
	}
	return v.measure(ctx, patient, encounter, 3)
}

func (v *visit) patient(ctx context.Context) (int64, error) {
	if v.rng.IntN(10) < 7 {
		id, found, err := exists[int64](ctx, v,
			"SELECT id FROM record.patient WHERE id >= $1 ORDER BY id LIMIT 1", v.some(&v.known().patients))
		if err != nil || found {
			return id, err
		}
	}
	return v.insert(ctx, &v.known().patients, `
		INSERT INTO record.patient (mrn, fiscal_code, name, sex, born, home, phones, contacts)
		VALUES ($1, $2, ROW($3::text, $4::text, NULL)::record.person_name, 'not known', '1970-01-01',
			ROW($5::text, $6::text, NULL, 'IT')::record.address, ARRAY[$7::text], jsonb_build_object('kin', $8::text))
		RETURNING id`,
		v.key("M"), v.key("FC"), v.mark("Conti"), v.mark("Ada"), v.say(20), v.mark("Bologna"), v.mark("+39"), v.mark("Bo"))
}

// arrive writes the visit and its first triage.
func (v *visit) arrive(ctx context.Context, patient int64) (string, error) {
	level := v.one("red", "orange", "yellow", "green", "non urgent")
	id, _, err := exists[string](ctx, v, `
		INSERT INTO emergency.visit (patient_id, triage, complaint, vitals)
		VALUES ($1, $2::text::emergency.triage_level, $3, jsonb_build_object('pulse', $4::int, 'seen by', $5::text))
		RETURNING id::text`, patient, level, v.say(40), 50+v.rng.IntN(90), v.mark("nurse"))
	if err != nil {
		return "", err
	}
	v.rows++
	return id, v.exec(ctx, `
		INSERT INTO emergency.triage_event (visit_id, seq, level, remarks)
		VALUES ($1::text::uuid, 1, $2::text::emergency.triage_level, $3)`, id, level, v.say(60))
}

// occupy ends a bay's visit and gives it to another. The bay's own last moment counts and not
// only the clock's, because the loaded history may end after today.
func (v *visit) occupy(ctx context.Context, id string) error {
	bay := v.one(v.known().bays...)
	if err := v.exec(ctx, `
		UPDATE emergency.bay_occupancy
		SET during = tstzrange(lower(during), greatest(clock_timestamp(), lower(during) + interval '1 second'))
		WHERE bay_id = $1::text::smallint AND upper_inf(during)`, bay); err != nil {
		return err
	}
	return v.exec(ctx, `
		INSERT INTO emergency.bay_occupancy (bay_id, visit_id, during)
		SELECT $1::text::smallint, $2::text::uuid, tstzrange(greatest(clock_timestamp(), max(upper(during))), NULL)
		FROM emergency.bay_occupancy WHERE bay_id = $1::text::smallint`, bay, id)
}

// discharge ends an encounter, a visit and what hangs on them.
func discharge(ctx context.Context, v *visit) error {
	if err := v.exec(ctx, `
		UPDATE record.encounter
		SET status = 'discharged', period = tstzrange(lower(period), greatest(now(), lower(period))), cost = $2::int
		WHERE id = (SELECT id FROM record.encounter WHERE id >= $1 AND status = 'open' ORDER BY id LIMIT 1)`,
		v.some(&v.known().encounters), v.rng.IntN(10_000)); err != nil {
		return err
	}
	return v.exec(ctx, `
		UPDATE emergency.visit SET left_at = greatest(now(), arrived), triage_history = triage_history || triage
		WHERE id = (SELECT id FROM emergency.visit WHERE left_at IS NULL ORDER BY arrived LIMIT 1)`)
}

// observe is a round at one bed.
func observe(ctx context.Context, v *visit) error {
	var patient int64
	encounter, found, err := exists[int64](ctx, v,
		"SELECT id FROM record.encounter WHERE id >= $1 ORDER BY id LIMIT 1", v.some(&v.known().encounters))
	if err != nil || !found {
		return err
	}
	patient, _, err = exists[int64](ctx, v, "SELECT patient_id FROM record.encounter WHERE id = $1", encounter)
	if err != nil {
		return err
	}
	return v.measure(ctx, patient, encounter, 5+v.rng.IntN(15))
}

// measure writes n observations in one statement. A few are of earlier months, so that every
// partition is written to.
func (v *visit) measure(ctx context.Context, patient, encounter int64, n int) error {
	codes := make([]string, n)
	values := make([]float64, n)
	taken := make([]time.Time, n)
	for i := range n {
		codes[i] = v.mark(v.one("HR", "SpO2", "TEMP", "RR"))
		values[i] = float64(v.rng.IntN(200_000)) / 1000
		taken[i] = time.Now()
		if v.rng.IntN(20) == 0 {
			taken[i] = taken[i].AddDate(0, -v.rng.IntN(24), 0)
		}
	}
	if err := v.exec(ctx, `
		INSERT INTO record.observation (patient_id, encounter_id, code, value, unit, abnormal, taken_at)
		SELECT $1, $2, code, value, $6, value > 150, taken
		FROM unnest($3::text[], $4::float8[], $5::timestamptz[]) AS o (code, value, taken)`,
		patient, encounter, codes, values, taken, v.mark("1/min")); err != nil {
		return err
	}
	v.known().observations.raise(v.known().observations.n.Load() + int64(5*n))
	return nil
}

// correctObservation changes a value, or the time, which may move the row to another partition.
func correctObservation(ctx context.Context, v *visit) error {
	set := "value = t.value + 1"
	if v.rng.IntN(3) == 0 {
		set = fmt.Sprintf("taken_at = t.taken_at - interval '%d days'", v.rng.IntN(60))
	}
	return v.exec(ctx, `
		WITH o AS (SELECT id, taken_at FROM record.observation WHERE id >= $1 ORDER BY id LIMIT 1)
		UPDATE record.observation t SET `+set+` FROM o WHERE t.id = o.id AND t.taken_at = o.taken_at`,
		v.some(&v.known().observations))
}
