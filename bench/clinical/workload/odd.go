package workload

import (
	"context"
	"time"
)

// remove deletes rows of one kind or another.
func remove(ctx context.Context, v *visit) error {
	switch v.rng.IntN(6) {
	case 0: // with its lines
		return v.exec(ctx, `DELETE FROM record."order" WHERE id = (SELECT id FROM record."order" WHERE id >= $1 ORDER BY id LIMIT 1)`,
			v.some(&v.known().orders))
	case 1:
		return v.exec(ctx, `DELETE FROM record.observation WHERE id BETWEEN $1 AND $1 + 20`, v.some(&v.known().observations))
	case 2:
		return v.exec(ctx, `DELETE FROM record.document WHERE id = (SELECT id FROM record.document WHERE id >= gen_random_uuid() ORDER BY id LIMIT 1)`)
	case 3: // with its replies
		return v.exec(ctx, `DELETE FROM outpatient.referral WHERE number = (SELECT number FROM outpatient.referral WHERE number >= $1 ORDER BY number LIMIT 1)`,
			v.referral())
	case 4:
		return v.exec(ctx, `DELETE FROM emergency.incident WHERE id = (SELECT id FROM emergency.incident WHERE id >= $1 ORDER BY id LIMIT 1)`,
			v.rng.IntN(100))
	default:
		return v.exec(ctx, `DELETE FROM record.note WHERE id = $1`, v.some(&v.known().notes))
	}
}

// referral is somewhere among the referrals' numbers, loaded or given anew.
func (v *visit) referral() string {
	return "R" + string(rune('0'+v.rng.IntN(10))) + string(rune('0'+v.rng.IntN(10)))
}

// giveNewKey changes keys: one number to a new one, or two that change places.
func giveNewKey(ctx context.Context, v *visit) error {
	switch v.rng.IntN(4) {
	case 0:
		return v.exec(ctx, `UPDATE record.order_item SET line = line + 10
			WHERE (order_id, line) = (SELECT order_id, line FROM record.order_item WHERE order_id >= $1 ORDER BY order_id, line LIMIT 1)`,
			v.some(&v.known().orders))
	case 1:
		return v.exec(ctx, `UPDATE record.bed SET code = $1
			WHERE code = (SELECT code FROM record.bed WHERE code >= $2 ORDER BY code LIMIT 1)`, v.key("BED"), v.key("BED0"))
	case 2:
		return v.swapReferrals(ctx)
	default: // the replies follow
		return v.exec(ctx, `UPDATE outpatient.referral SET number = $1
			WHERE number = (SELECT number FROM outpatient.referral WHERE number >= $2 ORDER BY number LIMIT 1)`, v.key("R"), v.referral())
	}
}

// swapReferrals exchanges two keys by way of a third.
func (v *visit) swapReferrals(ctx context.Context) error {
	const next = "SELECT number FROM outpatient.referral WHERE number > $1 ORDER BY number LIMIT 1"
	a, found, err := exists[string](ctx, v, next, v.referral())
	if err != nil || !found {
		return err
	}
	b, found, err := exists[string](ctx, v, next, a)
	if err != nil || !found {
		return err
	}
	aside := v.key("R-aside-")
	for _, move := range [][2]string{{a, aside}, {b, a}, {aside, b}} {
		if err := v.exec(ctx, "UPDATE outpatient.referral SET number = $2 WHERE number = $1", move[0], move[1]); err != nil {
			return err
		}
	}
	return nil
}

// swapBeds exchanges the places of two beds of one ward; the constraint is checked at commit.
func swapBeds(ctx context.Context, v *visit) error {
	return v.exec(ctx, `
		UPDATE record.bed SET place = CASE place WHEN $2::int THEN $3::int ELSE $2::int END
		WHERE department_code = $1 AND place IN ($2, $3)`,
		v.one(v.known().departments...), v.rng.IntN(10), 10+v.rng.IntN(10))
}

// thinkTwice works in nested savepoints of which some are taken back.
func thinkTwice(ctx context.Context, v *visit) error {
	for range 1 + v.rng.IntN(4) {
		err := v.savepoint(ctx, func() error {
			if err := editNote(ctx, v); err != nil {
				return err
			}
			return v.savepoint(ctx, func() error { return medicate(ctx, v) })
		})
		if err != nil {
			return err
		}
	}
	return placeOrder(ctx, v)
}

// savepoint keeps what do did, or with a chance of a half takes it back.
func (v *visit) savepoint(ctx context.Context, do func() error) error {
	outer, rows := v.tx, v.rows
	inner, err := outer.Begin(ctx)
	if err != nil {
		return err
	}
	v.tx = inner
	defer func() { v.tx = outer }()
	if err := do(); err != nil {
		return err // the whole act is rolled back
	}
	if v.rng.IntN(2) == 0 {
		v.rows = rows
		return inner.Rollback(ctx)
	}
	return inner.Commit(ctx)
}

// takeBack works and then changes its mind altogether.
func takeBack(ctx context.Context, v *visit) error {
	v.takeBack = true
	if err := admit(ctx, v); err != nil {
		return err
	}
	return editNote(ctx, v)
}

// longRound stays open for seconds, as an application that waits for its user; one in five is
// taken back in the end.
func longRound(ctx context.Context, v *visit) error {
	const steps = 10
	for range steps {
		if err := observe(ctx, v); err != nil {
			return err
		}
		v.linger(time.Duration(v.rng.Int64N(int64(v.w.opts.Long)*2/steps) + 1))
	}
	v.takeBack = v.rng.IntN(5) == 0
	return writeNote(ctx, v)
}
