package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/sign"
)

func reportDir(given, stateDir string) string {
	if given != "" {
		return given
	}
	return filepath.Join(stateDir, "reports")
}

// loadSigner reads the key of --report-key; nil says that the job's own signs.
func loadSigner(path string) (*sign.Key, error) {
	if path == "" {
		return nil, nil
	}
	key, err := sign.Load(path)
	return &key, err
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
	for _, f := range files.lines() {
		if _, werr := fmt.Fprintf(a.stdout, "  %-28s %s\n", f[0], f[1]); werr != nil {
			return errors.Join(err, werr)
		}
	}
	return err
}

// kept are the files of a report. Their signatures lie beside them, in files of their name and
// signatureEnd.
type kept struct {
	reports   []string
	publicKey string
}

const signatureEnd = ".minisig"

func (k kept) lines() (list [][2]string) {
	for _, f := range k.reports {
		list = append(list, [2]string{"report", f})
	}
	if k.publicKey != "" {
		list = append(list, [2]string{"public key is in", k.publicKey})
	}
	return list
}

// keepReport writes the report's documents, their signatures and the public key.
func keepReport(r *catchup.Report, dir string) (files kept, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return files, err
	}
	documents := r.Documents
	if len(documents) == 0 { // the engine could not sign: a report without signature is better than none
		if documents, err = r.Render(); err != nil {
			return files, err
		}
	}
	kind := "catchup"
	if r.Rehearsal {
		kind = "rehearsal"
	}
	base := filepath.Join(dir, kind+"-"+r.Started.UTC().Format("20060102T150405Z"))
	for _, d := range documents {
		name := base + "." + d.Extension
		if err := keepDocument(name, d); err != nil {
			return files, err
		}
		files.reports = append(files.reports, name)
	}
	if len(r.Documents) > 0 {
		files.publicKey, err = keepPublicKey(dir, r.PublicKey)
	}
	return files, err
}

func keepDocument(name string, d catchup.Document) error {
	if err := writeFile(name, d.Text); err != nil || len(d.Signature) == 0 {
		return err
	}
	return writeFile(name+signatureEnd, d.Signature)
}

// writeFile makes a file that is complete or not there at all, after a crash as well.
func writeFile(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".report-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
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
