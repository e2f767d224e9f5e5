package sizing

import (
	"cmp"
	"time"

	"replicator/replicator/sizing/forecast"
)

// What comparing takes where there was no small table to tell.
const (
	tableSeconds = 0.003
	groupSeconds = 0.02
	groupTrips   = 2
)

// lagSeconds is how far behind a target is when nobody is in a hurry.
const lagSeconds = 2

// conclude draws the forecast from what was measured.
func (o *Options) conclude(r *Report, now time.Time) {
	if r.Path != nil && len(r.Path.Work.Tables) > 0 {
		r.Forecast = o.forecast(r, now)
	}
	r.Advice = advice(r)
}

func (o *Options) forecast(r *Report, now time.Time) *Forecast {
	p := r.Path
	f := &Forecast{Seed: p.Work.Seed(), Bytes: p.Work.Bytes() - p.facts.objects, Stages: stages(r)}
	f.SeedRange = forecast.NewRange(f.Seed.Total, p.Spread)
	f.Capacity = r.Target.Apply() * 3600
	if r.Source != nil {
		f.Peak = r.Source.Changes.Peak
	}
	f.Finish = o.finishing(r)
	f.Window = f.Finish.Window()
	spread, jitter := max(p.Spread, windowSpread), jitter(r)
	f.OpenRange = f.Window.Range(spread, jitter)
	proved := f.Finish.Proved()
	if r.Source != nil {
		proved.Changed = r.Source.Changes.Rows * provedHours
	}
	proved.KeyLookup = r.Target.Apply()
	w := proved.Window()
	f.Proved = w.Range(spread, jitter)
	if ratio := packed(r); ratio > 0 {
		f.Links = forecast.NeededLinks(f.Bytes, ratio, f.Peak/3600*changeBytes, linkDays...)
	}
	if o.Night != nil {
		d := o.Night.Deadlines(now, f.SeedRange, f.OpenRange)
		f.Deadlines = &d
	}
	p.Stage = limiting(p, f.Stages)
	return f
}

// limiting names the stage that limits. What the link says of itself counts where no stage that was
// measured alone explains the rate of the whole.
func limiting(p *Path, s forecast.Stages) string {
	name, rate := s.Limit()
	if rate > 0 && p.Rate >= explained*rate || p.Stage == "" {
		return cmp.Or(name, "not told by what was measured")
	}
	return p.Stage
}

// explained is the part of a stage's own rate that the whole path reaches when that stage limits it: the
// parts share processors and disks.
const explained = 0.5

const (
	windowSpread = 0.15 // steps of seconds differ more than copies of hours
	changeBytes  = 100  // of a packed change on the wire
)

// provedHours is how old a proof is that a nightly verify gives; each change is taken to be of another row.
const provedHours = 24

// linkDays are the numbers of days for which a link is told.
var linkDays = []float64{0.5, 1, 3, 7}

// jitter is how much longer than usual a commit on the target takes now and then, the way there included.
func jitter(r *Report) float64 {
	if r.Target == nil {
		return 0
	}
	return r.Target.Commit.P95 - r.Target.Commit.P50
}

// finishing is what the window has to do.
func (o *Options) finishing(r *Report) forecast.Finish {
	p, facts := r.Path, r.Path.facts
	f := forecast.Finish{
		Session: facts.session, Commit: facts.step, Catalog: facts.catalog, Schema: facts.schema,
		Apply: r.Target.Apply(), Late: facts.late, Objects: facts.digests, Sequences: facts.sequences, Steps: facts.finish, Views: facts.views,
		Compare: facts.large, ScanRate: p.Compare, PerTable: p.EachTable, Tables: facts.small, PerGroup: p.Group, Groups: facts.groups, Questions: facts.questions,
		Crowd: facts.crowd,
	}
	if r.Network != nil {
		f.Ask = r.Network.RoundTrip.P50
	}
	if f.PerTable == 0 {
		f.PerTable = tableSeconds
	}
	if f.PerGroup == 0 {
		f.PerGroup = groupSeconds + groupTrips*f.Ask
	}
	f.PerGroup += groupSessions * f.Session
	if f.ScanRate <= 0 {
		f.ScanRate = guessedScan
	}
	if f.Down = facts.down; f.Down > 0 {
		f.Sums = facts.sums
	}
	if r.Source != nil {
		f.Lag = r.Source.Changes.Rows / 3600 * lagSeconds
	}
	return f
}

// groupSessions are those that a catch-up opens on the source for a group of tables, one after another,
// beyond those that the measurement opens: one for a marker, and the readers at once.
const groupSessions = 2

// guessedScan is what comparing reads a second where no table was large enough to tell.
const guessedScan = 50 << 20

// stages are what each part gives alone.
func stages(r *Report) (s forecast.Stages) {
	if r.Source != nil {
		s.Read = readRate(r.Source)
	}
	if n := r.Network; n != nil && n.Best != nil {
		s.Wire = n.Wire * ratioAt(r, n.Best.Level)
		if r.Source != nil {
			for _, l := range r.Source.Overall {
				if l.Level == n.Best.Level {
					s.Encode = l.Rate * float64(r.Chosen.CPUs)
				}
			}
		}
	}
	if r.Target != nil {
		for _, p := range r.Target.Write {
			s.Write = max(s.Write, p.Rate)
		}
		if r.Network != nil {
			s.Write = 0 // made-up rows went over the wire as well: they tell nothing of the target alone
		}
	}
	return s
}

// readRate is that of all rows, kinds weighted by their bytes, with the most sessions.
func readRate(s *Source) float64 {
	var bytes, seconds float64
	for _, k := range s.Kinds {
		if n := len(k.Read); n > 0 && k.Read[n-1].Rate > 0 {
			bytes += float64(k.Bytes)
			seconds += float64(k.Bytes) / k.Read[n-1].Rate
		}
	}
	return over(bytes, seconds)
}

// packed is what rows pack to at the level that suits, 0 where nobody knows.
func packed(r *Report) float64 {
	if n := r.Network; n != nil && n.Best != nil {
		return ratioAt(r, n.Best.Level)
	}
	if r.Source != nil && len(r.Source.Overall) > 0 {
		return r.Source.Overall[len(r.Source.Overall)-1].Ratio
	}
	return 0
}

func ratioAt(r *Report, level string) float64 {
	if r.Source != nil {
		for _, l := range r.Source.Overall {
			if l.Level == level {
				return l.Ratio
			}
		}
	}
	if n := r.Network; n != nil && n.Best != nil && n.Best.Wire > 0 {
		return n.Best.Rows / n.Best.Wire
	}
	return 1
}
