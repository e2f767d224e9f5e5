package replicator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"replicator/checksum/atrest"
	"replicator/replicator/fault"
)

// loadKey reads the key that seals what lies in dir; nil says that nothing does.
func loadKey(path, dir string) (*atrest.Key, error) {
	if path == "" {
		return nil, nil
	}
	return atrest.Load(path, dir)
}

// warnReadable says, once in a run, what lies in the state directory of a job without a key file.
func (j *job) warnReadable() {
	if j.key == nil {
		j.log.Warn("patient data lies unencrypted in the state directory: to seal it begin a job with --key-file, or keep the directory on an encrypted disk", "dir", j.o.Dir)
	}
}

// forgetDump removes a dump that has been read, where the job has a key file. It holds no rows, but
// what the owners of a schema wrote into defaults, functions and user mappings. pg_dump and
// pg_restore want a file, and what is needed of it lies sealed in the store from then on, so there
// is nothing to keep: for the seconds between it lies in the clear. One that a crash left is
// replaced by the next run's, and goes with it.
func (j *job) forgetDump(archive string) error {
	if j.key == nil {
		return nil
	}
	if err := os.Remove(archive); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Store, fmt.Errorf("remove the schema's dump: %w", err), "")
	}
	return nil
}
