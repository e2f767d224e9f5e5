package status

import (
	"fmt"
	"time"
)

// LargeObjects is the progress of their rounds. Objects and Bytes are those of the source, as far as the
// round has looked; Different is how many of them differed.
type LargeObjects struct {
	Objects   int64 `json:"objects"`
	Bytes     int64 `json:"bytes"`
	Ranges    int   `json:"ranges"`
	Looked    int   `json:"ranges_looked_at"` // by the round that runs, or ran last
	Different int64 `json:"different"`

	Written int64 `json:"written"` // objects, since the engine was started
	Copied  int64 `json:"bytes_written"`
	Removed int64 `json:"removed"`

	Rounds  int       `json:"rounds"` // that ended, since the job began
	Last    time.Time `json:"last_round,omitzero"`
	Seconds float64   `json:"seconds"` // that the last one took
}

// largeObjects says nothing of a database without any.
func (p *page) largeObjects(o *LargeObjects) {
	if o == nil || o.Objects == 0 && o.Removed == 0 {
		return
	}
	text := fmt.Sprintf("%s, %s", Count(o.Objects), Size(float64(o.Bytes)))
	switch {
	case o.Rounds == 0:
		text += fmt.Sprintf("; first round: %d/%d ranges", o.Looked, o.Ranges)
	default:
		text += fmt.Sprintf("; round %d ended %s after %s, %s differed", o.Rounds, Time(o.Last), Seconds(o.Seconds), Count(o.Different))
	}
	p.line("large objects", "%s", text)
	if o.Written+o.Removed > 0 {
		p.line("", "%s written (%s), %s removed since the engine was started", Count(o.Written), Size(float64(o.Copied)), Count(o.Removed))
	}
}
