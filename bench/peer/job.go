package peer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
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
