package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
)

func reportDir(given, stateDir string) string {
	if given != "" {
		return given
	}
	return filepath.Join(stateDir, "reports")
}

// report keeps a catch-up's report and shows it.
func (a *app) report(r *catchup.Report, dir string) error {
	files, err := keepReport(r, dir)
	if err != nil {
		err = fault.New(fault.Store, fmt.Errorf("keep the report: %w", err), "give another place by --report-dir; the job's store has the report, too")
	}
	if a.json {
		return errors.Join(err, a.writeJSON(r))
	}
	if werr := r.WriteText(a.stdout); werr != nil {
		return errors.Join(err, werr)
	}
	for _, f := range files {
		if _, werr := fmt.Fprintf(a.stdout, "  %-28s %s\n", "report", f); werr != nil {
			return errors.Join(err, werr)
		}
	}
	return err
}

// keepReport writes the JSON and the HTML report and returns their names.
func keepReport(r *catchup.Report, dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	kind := "catchup"
	if r.Rehearsal {
		kind = "rehearsal"
	}
	base := filepath.Join(dir, kind+"-"+r.Started.UTC().Format("20060102T150405Z"))
	var files []string
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{base + ".json", r.WriteJSON}, {base + ".html", r.WriteHTML}} {
		if err := writeFile(f.name, f.write); err != nil {
			return files, err
		}
		files = append(files, f.name)
	}
	return files, nil
}

// writeFile makes a file that is complete or not there at all, after a crash as well.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".report-*") // mode 0600
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
