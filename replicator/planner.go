package replicator

import (
	"replicator/replicator/sizing"
	"replicator/replicator/status"
)

// keyCourse is when the job got where.
const keyCourse = "course"

// foretell has status hold the job against what replicator bench has left in its directory. A forecast
// that cannot be read is told and forgotten: nothing depends on it.
func (j *job) foretell() error {
	c := status.Course{Began: j.rec.Created}
	if _, err := j.store.Get(keyCourse, &c); err != nil {
		return err
	}
	j.tracker.Resume(c)
	k, err := sizing.Load(j.o.Dir)
	if err != nil {
		j.log.Warn("no forecast is shown", "error", err)
	}
	if k != nil {
		j.tracker.Foretell(status.Forecast{Made: k.Made, P50: k.Range.P50, P95: k.Range.P95, OpenP50: k.Open.P50, OpenP95: k.Open.P95}, k.Seed, k.Bytes)
	}
	return nil
}

// keepCourse keeps when the job got where it is now.
func (j *job) keepCourse() error { return j.store.Put(keyCourse, j.tracker.Course()) }
