package sizing

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// watchFile keeps the readings of --watch in the state directory, a line each. It is only ever added
// to, so a watch that was stopped goes on with what is there; a line that was cut off counts as none.
const watchFile = "bench-watch.jsonl"

// watchEvery is how often a reading is taken.
const watchEvery = time.Minute

// longestGap is between two readings of which one hour's changes can still be told apart from another's.
const longestGap = 10 * time.Minute

// watch reads counters until span is covered, readings of an earlier run of the last days included.
func (o *Options) watch(ctx context.Context, c *catalog, s *Source) error {
	w := &watcher{path: filepath.Join(o.Dir, watchFile), database: c.name}
	if err := w.load(); err != nil {
		return err
	}
	every := min(watchEvery, max(time.Second, o.Watch/20))
	until := time.Now().Add(o.Watch - w.covered(time.Now(), o.Watch))
	for {
		if err := w.take(ctx, o, c); err != nil {
			return err
		}
		left := time.Until(until)
		if left <= 0 {
			break
		}
		o.Tell(fmt.Sprintf("watching the source: %s left; it can be stopped and goes on when it is started again", left.Round(time.Second)))
		if err := pg.Pause(ctx, min(every, left)); err != nil {
			return err
		}
	}
	s.Hours = w.hours(time.Local)
	s.Changes = w.total()
	return nil
}

// watcher is the file and what is in it.
type watcher struct {
	path     string
	database string
	list     []entry
}

// entry is a line of the file.
type entry struct {
	Database string `json:"database"`
	reading
}

// load reads what earlier runs have seen.
func (w *watcher) load() error {
	b, err := os.ReadFile(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.New(fault.Store, fmt.Errorf("read what was watched before: %w", err), "")
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) == nil && e.Database == w.database {
			w.list = append(w.list, e)
		}
	}
	return nil
}

// covered is how much of the last span earlier readings cover.
func (w *watcher) covered(now time.Time, span time.Duration) (sum time.Duration) {
	for i := 1; i < len(w.list); i++ {
		a, b := w.list[i-1], w.list[i]
		if gap := b.At.Sub(a.At); gap > 0 && gap <= longestGap && now.Sub(a.At) <= span {
			sum += gap
		}
	}
	return min(sum, span)
}

// take adds a reading, and has it on disk before the next. A source that is away for a moment is asked
// again a minute later, with a session of its own: a watch of a day must outlive a restart.
func (w *watcher) take(ctx context.Context, o *Options, c *catalog) error {
	conn, err := c.db.Connect(ctx, "bench watch")
	if err != nil {
		if pg.Lost(err) && len(w.list) > 0 {
			o.Logger.Warn("the source is away; the watch goes on", "error", err)
			return nil
		}
		return err
	}
	defer conn.Close()
	r, err := count(ctx, conn, oids(c.tables))
	if err != nil {
		return err
	}
	e := entry{w.database, r}
	w.list = append(w.list, e)
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := appendLine(w.path, line); err != nil {
		return fault.New(fault.Store, fmt.Errorf("keep what was watched: %w", err), "give a --dir that can be written")
	}
	return nil
}

// appendLine adds a line of its own, whatever a run that was killed has left without an end.
func appendLine(path string, line []byte) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if end, err := f.Seek(0, io.SeekEnd); err == nil && end > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, end-1); err == nil && last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Sync()
}

// hours are the hours of the day that were seen, in zone.
func (w *watcher) hours(zone *time.Location) (list []HourRate) {
	var wal, rows, seconds [24]float64
	for i := 1; i < len(w.list); i++ {
		a, b := w.list[i-1].reading, w.list[i].reading
		if gap := b.At.Sub(a.At); gap <= 0 || gap > longestGap || b.WAL < a.WAL || b.Rows < a.Rows {
			continue // a pause of ours, or counters that were reset
		}
		h := a.At.In(zone).Hour()
		wal[h] += float64(b.WAL - a.WAL)
		rows[h] += float64(b.Rows - a.Rows)
		seconds[h] += b.At.Sub(a.At).Seconds()
	}
	for h := range 24 {
		if seconds[h] > 0 {
			list = append(list, HourRate{Hour: h, WAL: wal[h] / seconds[h] * 3600, Rows: rows[h] / seconds[h] * 3600})
		}
	}
	return list
}

// total is the mean of all that was seen, and the busiest stretch between two readings.
func (w *watcher) total() (c Changes) {
	var wal, rows float64
	for i := 1; i < len(w.list); i++ {
		one := changes(w.list[i-1].reading, w.list[i].reading)
		if one.Seconds <= 0 || one.Seconds > longestGap.Seconds() || w.list[i].Rows < w.list[i-1].Rows {
			continue
		}
		wal += one.WAL * one.Seconds
		rows += one.Rows * one.Seconds
		c.Seconds += one.Seconds
		c.Peak = max(c.Peak, one.Rows)
	}
	if c.Seconds > 0 {
		c.WAL, c.Rows = wal/c.Seconds, rows/c.Seconds
	}
	return c
}
