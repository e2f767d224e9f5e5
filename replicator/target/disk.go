package target

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"replicator/replicator/pg"
)

// freeDisk is how many bytes are free where the server's data directory lies; -1: not known.
func freeDisk(ctx context.Context, c *pg.Conn) (int64, error) {
	// The view leaves out what our role may not see, where current_setting fails and the server's log says so.
	dir, err := c.Value(ctx, "SELECT coalesce((SELECT setting FROM pg_settings WHERE name = 'data_directory'), '')")
	if err != nil || dir == "" {
		return -1, err
	}
	started, err := c.Value(ctx, "SELECT extract(epoch FROM pg_postmaster_start_time())::bigint")
	if err != nil || !serves(dir, started) {
		return -1, err
	}
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return -1, nil
	}
	return int64(st.Bavail) * st.Bsize, nil
}

// serves reports whether the data directory is one of this machine and the one of a server that was
// started then. At another machine, or in another container, the same path may hold something else.
func serves(dir, started string) bool {
	raw, err := os.ReadFile(filepath.Join(dir, "postmaster.pid"))
	lines := strings.Split(string(raw), "\n") // process, directory, start, port
	if err != nil || len(lines) < 4 {
		return false
	}
	here, err1 := strconv.ParseInt(strings.TrimSpace(lines[2]), 10, 64)
	there, err2 := strconv.ParseInt(started, 10, 64)
	return err1 == nil && err2 == nil && there >= here && there-here < startTakes
}

// startTakes is how many seconds lie between the two notes that a server makes of its start, at most.
const startTakes = 60
