package workload

import "context"

// writeNote adds a note of some kilobytes.
func writeNote(ctx context.Context, v *visit) error {
	_, err := v.insert(ctx, &v.known().notes, `
		INSERT INTO record.note (patient_id, encounter_id, author_id, title, body)
		SELECT patient_id, id, $2, $3, $4 FROM record.encounter WHERE id >= $1 ORDER BY id LIMIT 1 RETURNING id`,
		v.some(&v.known().encounters), v.some(&v.known().staff), v.mark("Progress note"), v.say(500+v.rng.IntN(9_000)))
	if err != nil {
		return nothing(err)
	}
	return nil
}

// editNote changes some columns of a note and leaves the long ones alone, or the other way round.
func editNote(ctx context.Context, v *visit) error {
	const which = " WHERE id = (SELECT id FROM record.note WHERE id >= $1 ORDER BY id LIMIT 1)"
	id := v.some(&v.known().notes)
	switch v.rng.IntN(10) {
	case 0, 1, 2, 3:
		return v.exec(ctx, "UPDATE record.note SET signed = NOT signed"+which, id)
	case 4, 5:
		return v.exec(ctx, "UPDATE record.note SET title = $2"+which, id, v.mark("Discharge letter"))
	case 6, 7:
		return v.exec(ctx, "UPDATE record.note SET addendum = $2"+which, id, v.say(100+v.rng.IntN(5_000)))
	case 8:
		return v.exec(ctx, "UPDATE record.note SET addendum = NULL, body = body || $2"+which, id, v.say(50))
	default:
		return v.exec(ctx, "UPDATE record.note SET body = $2"+which, id, v.say(500+v.rng.IntN(9_000)))
	}
}

// placeOrder writes an order with up to five lines.
func placeOrder(ctx context.Context, v *visit) error {
	id, err := v.insert(ctx, &v.known().orders, `
		INSERT INTO record."order" (encounter_id, placed_by, kind, priority, details)
		SELECT id, $2, $3::text::record.order_kind, $4::int, jsonb_build_object('question', $5::text)
		FROM record.encounter WHERE id >= $1 ORDER BY id LIMIT 1 RETURNING id`,
		v.some(&v.known().encounters), v.some(&v.known().staff), v.one("lab", "imaging", "diet", "consult"),
		1+v.rng.IntN(9), v.say(40))
	if err != nil {
		return nothing(err)
	}
	for line := range 1 + v.rng.IntN(5) {
		if err := v.exec(ctx, `INSERT INTO record.order_item (order_id, line, code, quantity) VALUES ($1, $2, $3, 1.50)`,
			id, line+1, v.mark("CREA")); err != nil {
			return err
		}
	}
	return nil
}

// orderStatus moves an order on, which takes it into and out of the worklist's partial index.
func orderStatus(ctx context.Context, v *visit) error {
	return v.exec(ctx, `
		UPDATE record."order" SET
			status = CASE status WHEN 'open' THEN 'in progress' WHEN 'in progress' THEN 'done' ELSE 'open' END::record.order_status,
			done_at = CASE status WHEN 'in progress' THEN now() END,
			details = details || jsonb_build_object('by', $2::text)
		WHERE id = (SELECT id FROM record."order" WHERE id >= $1 ORDER BY id LIMIT 1)`,
		v.some(&v.known().orders), v.mark("technician"))
}

// medicate starts, changes or stops a drug. Old rows with a dose of zero cannot be written any
// more and are left.
func medicate(ctx context.Context, v *visit) error {
	const which = ` WHERE id = (SELECT id FROM record.medication WHERE id >= $1 AND (dose).amount > 0 ORDER BY id LIMIT 1)`
	id := v.some(&v.known().medication)
	switch v.rng.IntN(4) {
	case 0:
		return v.exec(ctx, "UPDATE record.medication SET stopped = true, course = daterange(lower(course), NULL)"+which, id)
	case 1:
		return v.exec(ctx, "UPDATE record.medication SET dose.amount = 1 + $2::int"+which, id, v.rng.IntN(300))
	default:
		_, err := v.insert(ctx, &v.known().medication, `
			INSERT INTO record.medication (patient_id, encounter_id, drug_code, dose, daily, times, course, instructions)
			SELECT patient_id, id, $2, ROW($3::int, $4::text)::record.dose, 12.5, '{08:00,20:00}', daterange(current_date, NULL), $5
			FROM record.encounter WHERE id >= $1 ORDER BY id LIMIT 1 RETURNING id`,
			v.some(&v.known().encounters), v.one(v.known().drugs...), 1+v.rng.IntN(500), v.mark("mg"), v.say(40))
		return nothing(err)
	}
}

// scanDocument adds a document, renames one without touching its pages, or scans it again.
func scanDocument(ctx context.Context, v *visit) error {
	// A random place in the order of the keys, then the next document.
	const which = ` WHERE id = (SELECT id FROM record.document WHERE id >= gen_random_uuid() ORDER BY id LIMIT 1)`
	switch v.rng.IntN(5) {
	case 0:
		return v.exec(ctx, "UPDATE record.document SET title = $1"+which, v.mark("renamed.pdf"))
	case 1:
		return v.exec(ctx, "UPDATE record.document SET content = $1, pages = '{[1,3)}'"+which, v.pages())
	default:
		return v.exec(ctx, `
			INSERT INTO record.document (patient_id, encounter_id, title, pages, content)
			SELECT patient_id, id, $2, '{[1,9)}', $3 FROM record.encounter WHERE id >= $1 ORDER BY id LIMIT 1`,
			v.some(&v.known().encounters), v.mark("scan.pdf"), v.pages())
	}
}

// pages are bytes that do not compress.
func (v *visit) pages() []byte {
	b := []byte(v.mark("%PDF-1.7"))
	for range 1_000 + v.rng.IntN(8_000) {
		x := v.rng.Uint64()
		b = append(b, byte(x), byte(x>>8), byte(x>>16), byte(x>>24), byte(x>>32), byte(x>>40), byte(x>>48), byte(x>>56))
	}
	return b
}

// allergy adds one or switches one off and on; only one active one a substance is allowed.
func allergy(ctx context.Context, v *visit) error {
	if v.rng.IntN(2) == 0 {
		return v.exec(ctx, `INSERT INTO record.allergy (patient_id, substance, severity)
			SELECT id, $2, 'mild' FROM record.patient WHERE id >= $1 ORDER BY id LIMIT 1`,
			v.some(&v.known().patients), v.mark(v.one("penicillin", "latex", "peanut")))
	}
	return v.exec(ctx, `UPDATE record.allergy SET active = NOT active
		WHERE id = (SELECT id FROM record.allergy WHERE patient_id >= $1 ORDER BY patient_id, id LIMIT 1)`, v.some(&v.known().patients))
}

// mergePatients points one record at another of the same person.
func mergePatients(ctx context.Context, v *visit) error {
	return v.exec(ctx, `UPDATE record.patient p SET merged_into = o.id
		FROM (SELECT id FROM record.patient WHERE id >= $2 ORDER BY id LIMIT 1) o
		WHERE p.id = $1 AND p.id <> o.id`, v.some(&v.known().patients), v.some(&v.known().patients))
}

// consent is given, or withdrawn by a DELETE that a rule makes an UPDATE.
func consent(ctx context.Context, v *visit) error {
	if v.rng.IntN(2) == 0 {
		return v.exec(ctx, "INSERT INTO record.consent (patient_id, scope) VALUES ($1, $2)",
			v.some(&v.known().patients), v.mark("portal"))
	}
	return v.exec(ctx, "DELETE FROM record.consent WHERE id = (SELECT min(id) FROM record.consent WHERE revoked IS NULL)")
}
