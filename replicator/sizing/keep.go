package sizing

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"replicator/replicator/sizing/forecast"
)

// keptFile is the forecast in the state directory, where the job finds it and holds itself against it.
const keptFile = "forecast.json"

// keptVersion is that of its shape.
const keptVersion = 1

// Kept is a forecast for the job that will have the directory.
type Kept struct {
	Version int            `json:"version"`
	Made    time.Time      `json:"made"`
	Bytes   float64        `json:"bytes"` // of rows
	Seed    forecast.Seed  `json:"seed"`
	Range   forecast.Range `json:"seed_range"`
	Open    forecast.Range `json:"fence_to_open"` // every row compared
	Proved  forecast.Range `json:"fence_to_open_proved"`
}

// keep writes the forecast for the job. That it cannot be kept is no reason to lose what was measured.
func (o *Options) keep(r *Report) {
	if o.Dir == "" || r.Forecast == nil {
		return
	}
	f := r.Forecast
	b, err := json.Marshal(Kept{Version: keptVersion, Made: r.Made, Bytes: f.Bytes, Seed: f.Seed, Range: f.SeedRange, Open: f.OpenRange, Proved: f.Proved})
	if err == nil {
		err = os.MkdirAll(o.Dir, 0o700)
	}
	if err == nil {
		err = replace(filepath.Join(o.Dir, keptFile), b)
	}
	if err != nil {
		o.Logger.Warn("the forecast is not kept for the job", "error", err)
	}
}

// replace puts b where path is, whole or not at all.
func replace(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), keptFile+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Load reads the forecast that a measurement has kept in dir; nil where there is none.
func Load(dir string) (*Kept, error) {
	b, err := os.ReadFile(filepath.Join(dir, keptFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the forecast: %w", err)
	}
	var k Kept
	if err := json.Unmarshal(b, &k); err != nil || k.Version != keptVersion {
		return nil, errors.New("read the forecast: it is of another version, or damaged")
	}
	return &k, nil
}
