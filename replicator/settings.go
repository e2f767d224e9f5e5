package replicator

import (
	"errors"
	"fmt"

	"replicator/replicator/fault"
	"replicator/replicator/link"
	"replicator/replicator/link/pace"
)

// settings are what `replicator set` changed while an engine ran. They hold until they are set again,
// or a run is started with the flag of the same name.
type settings struct {
	MaxRate  *string `json:"max_rate,omitempty"`
	Compress *string `json:"compress,omitempty"`
}

// recallSettings fills in what this run's flags leave open.
func (j *job) recallSettings() error {
	var s settings
	if _, err := j.store.Get(keySettings, &s); err != nil {
		return err
	}
	if j.o.MaxRate == "" && s.MaxRate != nil {
		j.o.MaxRate = *s.MaxRate
	}
	if l := &j.o.Link; l.Compress == "" && s.Compress != nil {
		l.Compress = *s.Compress
	}
	return nil
}

// newLimiter is the cap of MaxRate.
func (j *job) newLimiter() (*pace.Limiter, error) {
	schedule, err := pace.Parse(j.o.MaxRate)
	if err != nil {
		return nil, fault.New(fault.Usage, fmt.Errorf("--max-rate: %w", err), "")
	}
	return pace.NewLimiter(schedule), nil
}

// paced checks a rate.
func paced(rate string) error {
	if _, err := pace.Parse(rate); err != nil {
		return fmt.Errorf("--max-rate: %w", err)
	}
	return nil
}

// reading caps what is read of tables while the source is at work. nil: the way to the target end is capped.
func (j *job) reading() *pace.Limiter {
	if j.remote != nil {
		return nil
	}
	return j.limiter
}

// set changes a setting of the running engine, and keeps it.
func (j *job) set(name, value string) error {
	if value == "" {
		return fault.New(fault.Usage, fmt.Errorf("%s has no value", name), "as in max-rate=40MB/s or max-rate=off")
	}
	var s settings
	if _, err := j.store.Get(keySettings, &s); err != nil {
		return err
	}
	switch name {
	case "max-rate":
		schedule, err := pace.Parse(value)
		if err != nil {
			return fault.New(fault.Usage, fmt.Errorf("max-rate: %w", err), "as in 40MB/s, off, or 40MB/s@07:00-20:00,200MB/s@20:00-07:00")
		}
		j.limiter.Set(schedule)
		s.MaxRate = &value
	case "compress":
		if j.remote == nil {
			return fault.New(fault.Usage, errors.New("nothing is compressed on its way: the target end is in the engine's own process"), "")
		}
		c, err := link.ParseCompress(value)
		if err != nil {
			return fault.New(fault.Usage, err, "")
		}
		j.remote.SetCompress(c)
		s.Compress = &value
	default:
		return fault.New(fault.Usage, fmt.Errorf("%q is nothing that can be set", name), "max-rate and compress can")
	}
	j.log.Info("set", "name", name, "value", value)
	return j.store.Put(keySettings, s)
}
