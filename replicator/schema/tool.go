package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"replicator/replicator/fault"
)

// Tools are pg_dump and pg_restore of one release.
type Tools struct {
	Dump    string // path
	Restore string // path
	Major   int
	minor   int
}

// debian is where Debian and Ubuntu put programs, one directory a version; PATH has one of them.
const debian = "/usr/lib/postgresql/*/bin"

// FindTools picks the newest pg_dump that can read a server of a major version: pg_dump refuses
// servers newer than itself. pgDump, if given, is the only one looked at.
func FindTools(ctx context.Context, pgDump string, major int) (Tools, error) {
	var found []Tools
	for _, path := range candidates(pgDump) {
		if t, err := tools(ctx, path); err == nil {
			found = append(found, t)
		}
	}
	if len(found) == 0 {
		return Tools{}, fault.New(fault.Preflight, errors.New("no pg_dump with its pg_restore found"),
			fmt.Sprintf("install the PostgreSQL client programs, version %d or newer", major))
	}
	newest := slices.MaxFunc(found, func(a, b Tools) int {
		return cmp.Or(cmp.Compare(a.Major, b.Major), cmp.Compare(a.minor, b.minor))
	})
	if newest.Major < major {
		return Tools{}, fault.New(fault.Preflight,
			fmt.Errorf("pg_dump %d cannot read a server of version %d", newest.Major, major),
			fmt.Sprintf("install the PostgreSQL client programs, version %d or newer", major))
	}
	return newest, nil
}

func candidates(pgDump string) []string {
	if pgDump != "" {
		return []string{pgDump}
	}
	paths, _ := filepath.Glob(filepath.Join(debian, "pg_dump")) // fails for a bad pattern only
	if path, err := exec.LookPath("pg_dump"); err == nil {
		paths = append(paths, path)
	}
	return paths
}

var toolVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)(?:\.(\d+))?`)

// tools asks a pg_dump for its version and sees that its pg_restore is beside it.
func tools(ctx context.Context, path string) (Tools, error) {
	restore := filepath.Join(filepath.Dir(path), "pg_restore")
	if _, err := os.Stat(restore); err != nil {
		return Tools{}, fmt.Errorf("look for pg_restore: %w", err)
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return Tools{}, fmt.Errorf("ask pg_dump for its version: %w", err)
	}
	m := toolVersion.FindSubmatch(out)
	if m == nil {
		return Tools{}, errors.New("ask pg_dump for its version: no version in the answer")
	}
	major, _ := strconv.Atoi(string(m[1]))
	minor, _ := strconv.Atoi(string(m[2]))
	return Tools{Dump: path, Restore: restore, Major: major, minor: minor}, nil
}
