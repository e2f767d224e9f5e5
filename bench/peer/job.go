package peer

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"replicator/replicator/control"
	"replicator/replicator/status"
)

// Job is replicator as a user runs it, beside both servers.
type Job struct {
	*Move
	Program string
	Name    string // of its slot, where a source has several jobs
}

// Dir is its state directory.
func (j *Job) Dir() string { return filepath.Join(j.Scratch, "job") }

func (j *Job) sides() []string {
	return []string{"--source", j.SourceDSN, "--target", j.TargetDSN(), "--dir", j.Dir()}
}

// SeedArgs are the command that copies all tables, also those without key, and follows.
func (j *Job) SeedArgs(more ...string) []string {
	args := append([]string{j.Program, "seed", "--no-key", "full"}, j.sides()...)
	if j.Name != "" {
		args = append(args, "--slot-name", j.Name)
	}
	return append(args, more...)
}

// Seed copies up to the consistent point.
func (j *Job) Seed(ctx context.Context, more ...string) error {
	return j.Run(ctx, nil, j.SeedArgs(append([]string{"--until", "consistent"}, more...)...)...)
}

// Cleanup removes the job on both sides, if it was begun.
func (j *Job) Cleanup(ctx context.Context) error {
	if _, err := os.Stat(j.Dir()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return j.Run(ctx, nil, append([]string{j.Program, "cleanup", "--yes"}, j.sides()...)...)
}

// Follows returns when the target of an engine follows the source.
func (d *Daemon) Follows(ctx context.Context, dir string) error {
	return Until(ctx, Poll, func() (bool, error) {
		if err := d.Ended(); err != nil {
			return false, err
		}
		s, err := control.Client(dir).Status(ctx)
		if err != nil {
			return false, ctx.Err() // in its first moments there is nobody to ask; its end is noticed above
		}
		return s.Phase == status.Following, nil
	})
}
