package status

import (
	"fmt"
	"strings"
)

// Line is the job's progress on one line, with what matters in its phase.
func Line(s Status) string {
	parts := phaseLine(s)
	if s.Waiting != "" {
		parts = append(parts, "waiting for "+Printable(s.Waiting))
	}
	if s.Log.Full {
		parts = append(parts, "CHANGE LOG FULL")
	}
	parts = append(parts, linkLine(s)...)
	if !s.Running {
		parts = append(parts, "no engine running")
	}
	return strings.Join(parts, ", ")
}

func phaseLine(s Status) []string {
	switch s.Phase {
	case Copying:
		return copyLine(s)
	case Indexing:
		return append([]string{fmt.Sprintf("indexing %d/%d", s.Indexes.Built, s.Indexes.Total),
			fmt.Sprintf("%d running", len(s.Indexes.Running))}, lag(s)...)
	case CatchingUp:
		return []string{"catching up", Size(float64(s.Apply.LagBytes)) + " behind", changeRate(s), "ETA " + clock(s.Apply.ETA)}
	case Following:
		return append(append([]string{"following"}, lag(s)...), changeRate(s), "retained WAL "+Size(float64(s.Source.Retained)))
	case Fenced:
		return append([]string{"fenced"}, lag(s)...)
	case Open:
		return []string{"open since " + Time(s.Since)}
	case Failed:
		return []string{"failed: " + Printable(s.LastError)}
	}
	return []string{string(s.Phase)}
}

func copyLine(s Status) []string {
	line := []string{
		fmt.Sprintf("copying %s (%d%%)", sizes(copied(s), float64(s.Copy.BytesTotal)), percent(s)),
		fmt.Sprintf("%d/%d tables", s.Copy.TablesCopied, s.Copy.TablesTotal),
	}
	if s.Running {
		line = append(line, Size(s.Copy.ByteRate)+"/s")
	}
	line = append(line, lag(s)...)
	if s.Running {
		line = append(line, "ETA "+clock(s.Copy.ETA))
	}
	return line
}

// copied is the part of the plan's bytes that is behind us. A table's chunks count by its size on
// disk, so that the part never passes the whole, whatever its rows weigh in COPY's format.
func copied(s Status) float64 {
	if s.Copy.ChunksCopied == s.Copy.ChunksTotal {
		return float64(s.Copy.BytesTotal)
	}
	var sum float64
	for _, t := range s.Tables {
		if t.Chunks > 0 {
			sum += float64(t.Size) * float64(t.Copied) / float64(t.Chunks)
		}
	}
	return min(sum, float64(s.Copy.BytesTotal))
}

// percent is rounded down and is 100 only when every chunk is there.
func percent(s Status) int {
	if s.Copy.ChunksCopied == s.Copy.ChunksTotal {
		return 100
	}
	if s.Copy.BytesTotal == 0 {
		return 100 * s.Copy.ChunksCopied / s.Copy.ChunksTotal
	}
	return min(99, int(100*copied(s)/float64(s.Copy.BytesTotal)))
}

// lag is nothing until something was applied: before that there is nothing to be behind of.
func lag(s Status) []string {
	if s.Apply.Applied.IsZero() || !s.Running {
		return nil
	}
	return []string{fmt.Sprintf("lag %s (%s)", Seconds(s.Apply.LagSeconds), Size(float64(s.Apply.LagBytes)))}
}

func changeRate(s Status) string { return Count(int64(s.Apply.ChangeRate)) + " changes/s" }

// linkLine is the way to another site: what it carries, or that it is down.
func linkLine(s Status) []string {
	switch {
	case s.Link == nil || !s.Running:
		return nil
	case !s.Link.Connected:
		return []string{"LINK DOWN for " + Seconds(max(0, s.At.Sub(s.Link.Since).Seconds()))}
	case s.Link.WireRate < 1:
		return nil
	}
	return []string{fmt.Sprintf("wire %s/s (1:%.1f)", Size(s.Link.WireRate), max(1, s.Link.Ratio))}
}
