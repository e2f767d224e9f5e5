package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
)

// leastDisk is what the state directory needs for its store and two change-log segments however
// small the database is; a tenth of the database is a guess at the WAL that is written while it is
// copied.
const (
	leastDisk  = 1 << 30
	logPortion = 10
)

// disk: what the target needs can be told, not what it has, since SQL does not show that.
func (r *run) disk(ctx context.Context) error {
	indexes, err := r.indexBytes(ctx)
	if err != nil {
		return err
	}
	var heap int64
	for i := range r.tables {
		heap += r.tables[i].Bytes
	}
	r.src.Bytes = heap + indexes
	r.note("disk-target", Target, "disk", "about %s are needed (%s rows, %s indexes), and room for WAL; what is free there SQL does not show",
		size(heap+indexes), size(heap), size(indexes))
	if r.o.Dir == "" {
		return nil
	}
	return r.localDisk(heap)
}

func (r *run) localDisk(heap int64) error {
	free, err := FreeBytes(r.o.Dir)
	if err != nil {
		return fmt.Errorf("look at the disk of --dir: %w", err)
	}
	r.add(judgeDisk(free, heap))
	return nil
}

func judgeDisk(free, heap int64) Finding {
	want := max(leastDisk, heap/logPortion)
	f := Finding{ID: "disk-here", Level: OK, Side: Here, Subject: "disk of --dir", Text: size(free) + " free"}
	switch {
	case free < leastDisk:
		f.Level, f.Text = Must, fmt.Sprintf("%s free, at least %s are needed", size(free), size(leastDisk))
		f.Hint = "choose another --dir"
	case free < want:
		f.Level = Note
		f.Text += fmt.Sprintf("; the change log holds what the source writes while it is copied: %s would be safe", size(want))
	}
	return f
}

// FreeBytes is what dir's file system has for us; dir need not exist yet.
func FreeBytes(dir string) (int64, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return 0, err
	}
	for {
		var st syscall.Statfs_t
		err := syscall.Statfs(dir, &st)
		if err == nil {
			return int64(st.Bavail) * st.Bsize, nil
		}
		up := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || up == dir {
			return 0, err
		}
		dir = up
	}
}
