package replicator

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"replicator/replicator/pg"
	"replicator/replicator/status"
	"replicator/replicator/target"
)

// Who else is on the target. The guard keeps most from writing there, and a verification finds what
// anybody wrote; this names who it was, or is about to be.

// strangersEvery is how often the engine looks, keptEvery how often it keeps what it has seen where that
// is nothing new.
const (
	strangersEvery = 5 * time.Second
	keptEvery      = time.Minute
)

// mostStrangers bounds what is remembered. Those go first that never wrote, then those not seen for longest.
const mostStrangers = 100

// sightings are the strangers that were seen since the job began.
type sightings struct {
	mu     sync.Mutex
	loaded bool
	list   []status.Stranger
	kept   time.Time
}

// watchTarget looks who is on the target until ctx ends. It only looks.
func (j *job) watchTarget(ctx context.Context) error {
	for {
		if _, err := j.strangers(ctx); err != nil && ctx.Err() == nil {
			j.log.Debug("look for others on the target", "error", err)
		}
		if pg.Pause(ctx, strangersEvery) != nil {
			return nil
		}
	}
}

// strangers looks, and returns who was seen since the job began.
func (j *job) strangers(ctx context.Context) ([]status.Stranger, error) {
	seen, err := j.end.Strangers(ctx)
	if err != nil {
		return nil, err
	}
	s := &j.seen
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.loaded {
		if _, err := j.store.Get(keyStrangers, &s.list); err != nil {
			return nil, err
		}
		s.loaded = true
	}
	now := time.Now().UTC()
	var news []status.Stranger
	s.list, news = remember(s.list, seen, now)
	for i := range news {
		j.log.Warn("somebody else is on the target", "who", news[i].String())
	}
	shown := slices.Clone(s.list)
	j.tracker.Update(func(st *status.Status) { st.Strangers = shown })
	if len(news) > 0 || now.Sub(s.kept) >= keptEvery && len(s.list) > 0 {
		if err := j.store.Put(keyStrangers, s.list); err != nil {
			return nil, err
		}
		s.kept = now
	}
	return slices.Clone(s.list), nil
}

// remember adds a look at now to what was seen before. news are those not seen before, or not writing.
func remember(list []status.Stranger, seen []target.Stranger, now time.Time) (all, news []status.Stranger) {
	all = slices.Clone(list)
	for i := range all {
		all[i].Sessions, all[i].Unguarded, all[i].Since = 0, 0, time.Time{}
	}
	for _, t := range seen {
		s := find(&all, t, now)
		if s.Sessions == 0 {
			s.Last = now
			s.Looks++
		}
		s.Sessions++
		if !t.Guarded {
			s.Unguarded++
		}
		if s.Since.IsZero() || !t.Since.IsZero() && t.Since.Before(s.Since) {
			s.Since = t.Since
		}
		if t.Writing && !s.Wrote.Equal(now) {
			s.Wrote = now
			s.Writing++
		}
	}
	for _, s := range all {
		if s.First.Equal(now) || s.Writing == 1 && s.Wrote.Equal(now) {
			news = append(news, s)
		}
	}
	return bounded(all), news
}

// find is the stranger of a session, made if there is none.
func find(list *[]status.Stranger, t target.Stranger, now time.Time) *status.Stranger {
	i := slices.IndexFunc(*list, func(s status.Stranger) bool {
		return s.Application == t.Application && s.Role == t.Role && s.Kind == t.Kind
	})
	if i < 0 {
		i = len(*list)
		*list = append(*list, status.Stranger{Application: t.Application, Role: t.Role, Kind: t.Kind, First: now})
	}
	return &(*list)[i]
}

// bounded drops what is too much; the rest is in the order in which it was seen first.
func bounded(list []status.Stranger) []status.Stranger {
	if len(list) <= mostStrangers {
		return list
	}
	slices.SortStableFunc(list, func(a, b status.Stranger) int {
		return cmp.Or(-cmp.Compare(min(a.Writing, 1), min(b.Writing, 1)), -a.Last.Compare(b.Last))
	})
	list = list[:mostStrangers]
	slices.SortStableFunc(list, func(a, b status.Stranger) int { return a.First.Compare(b.First) })
	return list
}

// Strangers implements catchup.Job.
func (f *finisher) Strangers(ctx context.Context) (list []status.Stranger, err error) {
	err = f.persist(ctx, "look for others on the target", func() error {
		list, err = f.strangers(ctx)
		return err
	})
	return list, err
}

// writerLooks and writerPause give transactions that are about to end a moment.
const (
	writerLooks = 20
	writerPause = 250 * time.Millisecond
)

// Writers implements catchup.Job.
func (f *finisher) Writers(ctx context.Context) ([]string, error) {
	for look := 1; ; look++ {
		before := time.Now().UTC()
		list, err := f.Strangers(ctx)
		if err != nil {
			return nil, err
		}
		var who []string
		for i := range list {
			if !list[i].Wrote.Before(before) {
				who = append(who, list[i].Name())
			}
		}
		if len(who) == 0 || look == writerLooks {
			return who, nil
		}
		if err := pg.Pause(ctx, writerPause); err != nil {
			return nil, err
		}
	}
}

// Strangers implements verify.Job.
func (v *verifier) Strangers(ctx context.Context) ([]status.Stranger, error) {
	return (&finisher{job: v.job}).Strangers(ctx)
}

// wroteSince reports whether anybody was seen to write on the target since then.
func (j *job) wroteSince(then time.Time) bool {
	j.seen.mu.Lock()
	defer j.seen.mu.Unlock()
	return slices.ContainsFunc(j.seen.list, func(s status.Stranger) bool { return !s.Wrote.Before(then) })
}
