package workload

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// nothing forgives an INSERT ... SELECT that found no row to stand on.
func nothing(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

// clinic books appointments and moves them on (a rule keeps their history), and takes messages.
func clinic(ctx context.Context, v *visit) error {
	switch v.rng.IntN(4) {
	case 0:
		_, err := v.insert(ctx, &v.known().appointments, `
			INSERT INTO outpatient.appointment (patient_id, clinic_code, slot, remark)
			VALUES ($1, $2, tstzrange(now(), now() + interval '15 minutes'), $3) RETURNING id`,
			v.some(&v.known().patients), v.one(v.known().clinics...), v.say(30))
		return err
	case 1:
		return v.exec(ctx, `INSERT INTO outpatient.portal_message (patient_id, clinic_code, body) VALUES ($1, $2, $3)`,
			v.some(&v.known().patients), v.one(v.known().clinics...), v.say(200))
	default:
		return v.exec(ctx, `
			UPDATE outpatient.appointment SET status = $2::text::outpatient."Slot Status"
			WHERE id = (SELECT id FROM outpatient.appointment WHERE id >= $1 ORDER BY id LIMIT 1)`,
			v.some(&v.known().appointments), v.one("arrived", "seen", "no show", "it's off"))
	}
}

// bill writes or settles one.
func bill(ctx context.Context, v *visit) error {
	if v.rng.IntN(2) == 0 {
		_, err := v.insert(ctx, &v.known().bills, `
			INSERT INTO outpatient."BillingItem" ("patient id", "Unit Price", "Quantity", "it's ""billed""")
			VALUES ($1, 19.90, $2, $3) RETURNING "ItemNo"`, v.some(&v.known().patients), 1+v.rng.IntN(4), v.mark("visit"))
		return err
	}
	return v.exec(ctx, `UPDATE outpatient."BillingItem" SET "isPaid" = NOT "isPaid", "Quantity" = "Quantity" + 1
		WHERE "ItemNo" = (SELECT "ItemNo" FROM outpatient."BillingItem" WHERE "ItemNo" >= $1 ORDER BY 1 LIMIT 1)`,
		v.some(&v.known().bills))
}

// device sends a reading or corrects one; the table has no primary key.
func device(ctx context.Context, v *visit) error {
	id := v.some(&v.known().devices)
	if v.rng.IntN(3) > 0 {
		return v.exec(ctx, `
			INSERT INTO outpatient.device_reading (device_id, serial, reading_no, value, precise, taken)
			SELECT id, $2, $3, 'NaN', 1.10, localtimestamp FROM outpatient.device WHERE id = $1`,
			id, v.mark(fmt.Sprintf("SN-%d", id)), v.rng.Int64N(1<<40))
	}
	return v.exec(ctx, `
		WITH r AS (SELECT serial, reading_no FROM outpatient.device_reading
			WHERE (serial, reading_no) >= ($1, $2) ORDER BY serial, reading_no LIMIT 1)
		UPDATE outpatient.device_reading t SET value = -t.value, raw = NULL, reading_no = t.reading_no + $3::int * 1000000007
		FROM r WHERE t.serial = r.serial AND t.reading_no = r.reading_no`,
		fmt.Sprintf("SN%05d", id), v.rng.IntN(1000), v.rng.IntN(2))
}

// ticket draws a number at the door, or calls one.
func ticket(ctx context.Context, v *visit) error {
	if v.rng.IntN(2) == 0 {
		return v.exec(ctx, "INSERT INTO emergency.queue_ticket (number, remark) VALUES (nextval('emergency.ticket_seq'), $1)", v.mark("door"))
	}
	return v.exec(ctx, `UPDATE emergency.queue_ticket SET called_at = now()
		WHERE id = (SELECT min(id) FROM emergency.queue_ticket WHERE called_at IS NULL)`)
}

// newDay empties the queue; half the time its numbers start anew, so that keys come back.
func newDay(ctx context.Context, v *visit) error {
	sql := "TRUNCATE emergency.queue_ticket"
	if v.rng.IntN(2) == 0 {
		sql += " RESTART IDENTITY"
	}
	if err := v.exec(ctx, sql); err != nil {
		return err
	}
	return v.exec(ctx, "INSERT INTO emergency.queue_ticket (number, remark) SELECT i, $2 FROM generate_series(1, $1::int) i",
		1+v.rng.IntN(20), v.mark("morning"))
}

// board refreshes the unlogged cache of the screen in the corridor.
func board(ctx context.Context, v *visit) error {
	return v.exec(ctx, `
		INSERT INTO emergency.board_cache (bay_id, payload) VALUES ($1::text::smallint, jsonb_build_object('text', $2::text))
		ON CONFLICT (bay_id) DO UPDATE SET payload = excluded.payload, refreshed = now()`,
		v.one(v.known().bays...), v.say(100))
}
