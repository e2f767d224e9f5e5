package replicator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"replicator/chunker"
	"replicator/replicator/catchup"
	"replicator/replicator/checkpoint"
	"replicator/replicator/status"
	"replicator/replicator/verify"
)

// What is assumed until it is measured, in bytes a second on each side. The prediction says so.
const (
	readRate = 200 << 20
	copyRate = readRate / 4
)

// Predict implements catchup.Job.
func (f *finisher) Predict(ctx context.Context, late, compare []chunker.Table, changed bool) ([]catchup.Prediction, error) {
	m, err := f.measured()
	if err != nil {
		return nil, err
	}
	verify, err := f.predictCompare(ctx, compare, changed)
	if err != nil {
		return nil, err
	}
	list := []catchup.Prediction{f.predictLate(late), verify}
	for _, name := range []string{"fence the source", "triggers, rules, views", "nobody else wrote", "open the target"} {
		if s, ok := m.Steps[name]; ok {
			list = append(list, catchup.Prediction{Step: name, Seconds: s.Seconds, Basis: "as in the catch-up of " + status.Time(s.At)})
		}
	}
	return list, nil
}

// predictLate is how long late tables take: as in a catch-up before, or as copy and indexes took.
func (f *finisher) predictLate(late []chunker.Table) catchup.Prediction {
	p := catchup.Prediction{Step: "late tables", Basis: "none"}
	bytes := size(late)
	if len(late) == 0 {
		return p
	}
	m, err := f.measured()
	if rate := m.Late.rate(); err == nil && rate > 0 {
		p.Seconds = float64(bytes) / rate
		p.Basis = fmt.Sprintf("%s at %s, copied and indexed as in the catch-up of %s", sizeOf(bytes), speed(rate), status.Time(m.Late.At))
		return p
	}
	rate, basis := m.Copy.rate(), "as the copy of "+sizeOf(m.Copy.Bytes)
	if err != nil || rate == 0 {
		rate, basis = copyRate, "assumed, as nothing was measured"
	}
	p.Seconds = float64(bytes) / rate
	p.Basis = fmt.Sprintf("%s at %s, %s", sizeOf(bytes), speed(rate), basis)
	indexes, unknown := f.lateIndexes(late)
	if rate := m.Index.rate(); rate > 0 && indexes > 0 {
		p.Seconds += float64(indexes) / rate
		p.Basis += fmt.Sprintf("; %s to index at %s, as measured", sizeOf(indexes), speed(rate))
	} else if indexes > 0 {
		p.Basis += "; without their indexes, which were not measured"
	}
	if unknown > 0 {
		p.Basis += fmt.Sprintf("; without the indexes of %d tables made since the plan", unknown)
	}
	return p
}

// lateIndexes is how much is to be indexed: the size of a table for each of its indexes. unknown are the
// tables whose indexes are read at the fence only.
func (f *finisher) lateIndexes(late []chunker.Table) (bytes int64, unknown int) {
	for i := range late {
		if t := f.table(late[i].Schema, late[i].Name); t != nil {
			bytes += t.Bytes * int64(len(f.work.Late[t.Ordinal]))
		} else {
			unknown++
		}
	}
	return bytes, unknown
}

// predictCompare is how long comparing takes: whole tables as fast as the last verification, and rows that
// changed since a proof as fast as some of them are looked up now.
func (f *finisher) predictCompare(ctx context.Context, tables []chunker.Table, changed bool) (catchup.Prediction, error) {
	p := catchup.Prediction{Step: "verify", Basis: "none"}
	noted := f.touch.proofs()
	var bytes int64
	keys, most := 0, (*chunker.Table)(nil)
	for i := range tables {
		t := f.table(tables[i].Schema, tables[i].Name)
		if t == nil || !changed || !f.counts(t, noted) {
			bytes += tables[i].Bytes
			continue
		}
		if n := noted[t.Ordinal].Keys; n > 0 {
			keys += n
			if most == nil || n > noted[most.Ordinal].Keys {
				most = t
			}
		}
	}
	var parts []string
	if bytes > 0 {
		rate, basis, err := f.readPace()
		if err != nil {
			return p, err
		}
		p.Seconds += float64(bytes) / rate
		parts = append(parts, fmt.Sprintf("%s at %s, %s", sizeOf(bytes), speed(rate), basis))
	}
	if keys > 0 {
		rate, err := f.lookupPace(ctx, most)
		if err != nil {
			return p, err
		}
		p.Seconds += float64(keys) / rate
		parts = append(parts, fmt.Sprintf("%s changed rows at %s/s, as looked up now", status.Count(int64(keys)), status.Count(int64(rate))))
	}
	if len(parts) > 0 {
		p.Basis = strings.Join(parts, "; ")
	}
	return p, nil
}

// counts reports whether of a table only the rows would be compared that changed since its proof.
func (f *finisher) counts(t *chunker.Table, noted map[int]proved) bool {
	n := noted[t.Ordinal]
	return f.guarded && !t.Late() && n.Clean != 0 && !f.wroteSince(n.At) && !fewer(t, n.Keys)
}

// readPace is how many bytes of tables the last verification of all rows has compared a second.
func (f *finisher) readPace() (rate float64, basis string, err error) {
	var history []verify.Report
	if _, err := f.store.Get(keyVerified, &history); err != nil {
		return 0, "", err
	}
	for _, r := range slices.Backward(history) {
		var bytes int64
		for i := range r.Tables {
			if t := f.job.tableNamed(r.Tables[i].Name); t != nil {
				bytes += t.Bytes
			}
		}
		if r.Options.Sample == 0 && r.Seconds > 0 && bytes > 0 {
			return float64(bytes) / r.Seconds, "as the verification of " + status.Time(r.Started), nil
		}
	}
	return readRate, "assumed, as nothing was verified yet", nil
}

// tableNamed finds a planned table by the name that reports have.
func (j *job) tableNamed(name string) *chunker.Table {
	for i := range j.planned() {
		if j.planned()[i].String() == name {
			return &j.planned()[i]
		}
	}
	return nil
}

var errEnough = errors.New("enough keys")

// lookupPace looks some changed rows of a table up on both sides: how many it does a second. That they
// differ while both sides are live means nothing.
func (f *finisher) lookupPace(ctx context.Context, t *chunker.Table) (float64, error) {
	var keys [][]byte
	err := f.store.EachTouched(t.Ordinal, func(k checkpoint.Touched) error {
		if len(keys) == lookedUp {
			return errEnough
		}
		keys = append(keys, slices.Clone(k.Key))
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) || len(keys) == 0 {
		return 1, err
	}
	began := time.Now()
	if _, err := f.lookup(ctx, []chunker.Keyed{{Table: t, Keys: keys}}); err != nil {
		return 1, err
	}
	// One batch is one session's work, and as many sessions as there are jobs share a table's.
	return float64(len(keys)*f.o.Jobs) / max(time.Since(began).Seconds(), 1e-3), nil
}

func size(tables []chunker.Table) (n int64) {
	for i := range tables {
		n += tables[i].Bytes
	}
	return n
}

func sizeOf(n int64) string { return status.Size(float64(n)) }

func speed(rate float64) string { return status.Size(rate) + "/s" }
