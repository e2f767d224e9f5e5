package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"replicator/bench/clinical"
)

// act is one kind of transaction and its share of all.
type act struct {
	name   string
	weight float64
	do     func(ctx context.Context, v *visit) error
}

// acts are all kinds, in fixed order.
func acts(opts Options) []act {
	all := []act{
		{"admit", 10, admit},
		{"observe", 28, observe},
		{"correct observation", 4, correctObservation},
		{"write note", 5, writeNote},
		{"edit note", 10, editNote},
		{"order", 6, placeOrder},
		{"order status", 8, orderStatus},
		{"medicate", 8, medicate},
		{"discharge", 5, discharge},
		{"remove", 4, remove},
		{"scan", 3, scanDocument},
		{"think twice", 4, thinkTwice},
		{"take back", 2, takeBack},
		{"give new key", 3, giveNewKey},
		{"swap beds", 3, swapBeds},
		{"allergy", 2, allergy},
		{"merge patients", 1, mergePatients},
		{"consent", 1, consent},
		{"clinic", 7, clinic},
		{"bill", 3, bill},
		{"device", 4, device},
		{"ticket", 2, ticket},
		{"board", 2, board},
		{"long round", 0.2, longRound},
	}
	if !opts.NoTruncate {
		all = append(all, act{"new day", 0.3, newDay})
	}
	return all
}

func choose(rng *rand.Rand, acts []act) act {
	total := 0.0
	for _, a := range acts {
		total += a.weight
	}
	x := rng.Float64() * total
	for _, a := range acts {
		if x -= a.weight; x < 0 {
			return a
		}
	}
	return acts[len(acts)-1]
}

// visit is an act under way.
type visit struct {
	*worker
	tx       pgx.Tx
	leave    context.Context // ended: the workload is to stop, so do not linger
	rows     int64
	takeBack bool // roll back instead of commit
}

// exec runs one statement and counts its rows.
func (v *visit) exec(ctx context.Context, sql string, args ...any) error {
	tag, err := v.tx.Exec(ctx, sql, args...)
	v.rows += tag.RowsAffected()
	return err
}

// insert runs a statement that returns the number of its row, and notes it in h.
func (v *visit) insert(ctx context.Context, h *highest, sql string, args ...any) (int64, error) {
	var id int64
	if err := v.tx.QueryRow(ctx, sql, args...).Scan(&id); err != nil {
		return 0, err
	}
	v.rows++
	if h != nil {
		h.raise(id)
	}
	return id, nil
}

// exists reads a statement's one value, or nothing.
func exists[T any](ctx context.Context, v *visit, sql string, args ...any) (value T, found bool, err error) {
	err = v.tx.QueryRow(ctx, sql, args...).Scan(&value)
	if err == pgx.ErrNoRows {
		return value, false, nil
	}
	return value, err == nil, err
}

// some is a number that h's table has, or had; recent ones are picked more often, as on a ward.
func (v *visit) some(h *highest) int64 {
	n := h.n.Load()
	if v.rng.IntN(2) == 0 {
		n -= n * int64(v.rng.IntN(50)) / 1000
	} else {
		n = v.rng.Int64N(n + 1)
	}
	return max(n, 1)
}

// known is the workload's.
func (v *visit) known() *known { return &v.w.known }

func (v *visit) one(of ...string) string { return of[v.rng.IntN(len(of))] }

// say is about n bytes of text with the canary.
func (v *visit) say(n int) string { return v.mark(v.worker.text.Text(v.rng, n)) }

func (v *visit) mark(s string) string { return clinical.Mark(s, v.w.opts.Canary) }

// key is a new text key.
func (v *visit) key(prefix string) string {
	return v.mark(fmt.Sprintf("%s%016X", prefix, v.rng.Uint64()))
}

func (v *visit) linger(d time.Duration) { pause(v.leave, d) }
