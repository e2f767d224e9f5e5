package sizing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"replicator/replicator/sizing/forecast"
	"replicator/replicator/status"
)

// advice is the recommendation in words, the answer to the first question first.
func advice(r *Report) (list []string) {
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if f := r.Forecast; f != nil {
		aboutNight(f, say)
		say("The pre-seed of %s of rows will take %s, seldom more than %s. What limits it: %s.",
			status.Size(f.Bytes), status.Seconds(f.SeedRange.P50), status.Seconds(f.SeedRange.P95), r.Path.Stage)
		if f.Seed.Behind {
			say("The source changes faster than the target applies: it would not get to follow. Measure at a quieter hour, or give the target more.")
		}
	}
	aboutSettings(r, say)
	if f := r.Forecast; f != nil {
		aboutWindow(f, say)
		aboutLinks(f, say)
		aboutCapacity(f, say)
	}
	aboutSource(r, say)
	return list
}

func aboutSettings(r *Report, say func(string, ...any)) {
	text := fmt.Sprintf("Settings: -j %d", r.Chosen.Jobs)
	if r.Chosen.IndexJobs != r.Chosen.Jobs {
		text += fmt.Sprintf(" --index-jobs %d", r.Chosen.IndexJobs)
	}
	if n := r.Network; n != nil && n.Streams > 0 {
		text += fmt.Sprintf(" --streams %d --compress auto", max(n.Streams, 2))
	}
	text += ", chunks of 64 MB (the default): the forecast is for these."
	if n := bestJobs(r); n < r.Chosen.Jobs {
		text += fmt.Sprintf(" The source gives its rows as fast to %s.", sessions(n))
	}
	say("%s", text)
	if n := r.Network; n != nil {
		aboutLoss(n, say)
	}
}

// aboutLoss: what a full queue drops is how TCP finds out what the wire carries, as long as it is little.
func aboutLoss(n *Network, say func(string, ...any)) {
	switch {
	case n.Resent > lossy:
		say("The link loses packets: %.1f %% were sent again while it was half full. More streams help.", 100*n.Resent)
	case n.ResentFull > crammed:
		say("The link's queue is short: %.0f %% were sent again while it was full. A cap by --max-rate a little below %s spares that.", 100*n.ResentFull, perSecond(n.Wire))
	}
}

func sessions(n int) string {
	if n == 1 {
		return "one session"
	}
	return fmt.Sprintf("%d sessions", n)
}

// Parts that are sent again: from lossy on a link counts as one that loses, from crammed on as one that is too full.
const (
	lossy   = 0.005
	crammed = 0.05
)

// bestJobs is the fewest sessions that read the largest kind as fast as any number does.
func bestJobs(r *Report) int {
	if r.Source == nil {
		return r.Chosen.Jobs
	}
	best := 1
	var most int64
	for _, k := range r.Source.Kinds {
		if n, _ := fills(k.Read); n > 0 && k.Bytes > most {
			most, best = k.Bytes, n
		}
	}
	return best
}

func aboutWindow(f *Forecast, say func(string, ...any)) {
	say("From the fence to the opening: %s, seldom more than %s, if every row is compared; %s after a clean verify of the night before, as then only what changed since is.",
		status.Seconds(f.OpenRange.P50), status.Seconds(f.OpenRange.P95), status.Seconds(f.Proved.P50))
	if f.Window.Late > f.Window.Total/4 {
		say("Of that, %s are tables without a key, copied at the fence: give them one, or use --no-key full.", status.Seconds(f.Window.Late))
	}
}

// aboutNight is the answer to the first question.
func aboutNight(f *Forecast, say func(string, ...any)) {
	d := f.Deadlines
	if d == nil {
		return
	}
	switch {
	case !d.Fits:
		say("It does not fit into the window %s: from the fence to the opening may take %s.", d.Night, status.Seconds(f.OpenRange.P95))
		return
	case d.Late:
		say("It fits into the window %s, but not any more into the one that begins %s: the pre-seed had to begin by %s. The night after is safe.", d.Night, local(d.Begin), local(d.Seed))
	default:
		say("It fits into the window that begins %s: begin the pre-seed by %s.", local(d.Begin), local(d.Seed))
	}
	say("Begin the catch-up by %s. The last moment to abort is %s, less the time that your services take to start again on the old side.", local(d.Fence), local(d.Abort))
}

func local(t time.Time) string { return t.Local().Format("Mon 2 Jan 15:04 MST") }

func aboutLinks(f *Forecast, say func(string, ...any)) {
	var parts []string
	for _, l := range f.links() {
		parts = append(parts, bitRate(l.Bits)+" for "+status.Seconds(l.Days*86400))
	}
	switch {
	case len(parts) > 0:
		say("To have the rows over within a number of days the link must carry: %s.", strings.Join(parts, ", "))
	case len(f.Links) > 0:
		say("A link of %s has the rows over within half a day.", bitRate(noLink))
	}
}

// links are those worth a mention.
func (f *Forecast) links() []forecast.Link {
	return slices.DeleteFunc(slices.Clone(f.Links), func(l forecast.Link) bool { return l.Bits < noLink })
}

// noLink is a rate that needs no mention.
const noLink = 1e6

func aboutCapacity(f *Forecast, say func(string, ...any)) {
	if f.Capacity <= 0 {
		return
	}
	if f.Peak <= 0 {
		say("The target applies %s row changes an hour; the source wrote none while it was watched.", status.Count(int64(f.Capacity)))
		return
	}
	say("The target applies %s row changes an hour, %.1f times the most that was seen on the source (%s).",
		status.Count(int64(f.Capacity)), f.Capacity/f.Peak, status.Count(int64(f.Peak)))
}

func aboutSource(r *Report, say func(string, ...any)) {
	s := r.Source
	if s == nil {
		return
	}
	if b, d := s.Effect.Before, s.Effect.During; b.P95 > 0 && d.P95 > noticed*b.P95 && d.P95 > noticeable {
		say("Reading was felt on the source: a small query took %s instead of %s (P95). Copy with fewer sessions by day.", millis(d.P95), millis(b.P95))
	}
	if n := len(s.NoStats); n > 0 {
		say("%s without statistics (the first is %s): run ANALYZE on the source, or sizes of rows are guessed.", countTables(n), status.Printable(s.NoStats[0]))
	}
	if s.Changes.Seconds < 3600 {
		say("Changes were counted for %s only: bench source --watch 24h tells the busiest hour.", status.Seconds(s.Changes.Seconds))
	}
}

const (
	noticed    = 3
	noticeable = 0.005 // seconds
)

func countTables(n int) string {
	if n == 1 {
		return "1 table"
	}
	return fmt.Sprintf("%d tables", n)
}

func millis(s float64) string { return fmt.Sprintf("%.1f ms", s*1000) }

// bitRate spells a rate of bits as network people do, in powers of 1000.
func bitRate(n float64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f Gbit/s", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f Mbit/s", n/1e6)
	}
	return fmt.Sprintf("%.0f kbit/s", n/1e3)
}
