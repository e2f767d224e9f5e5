package slot

import (
	"context"
	"fmt"
	"strconv"

	"replicator/replicator/pg"
)

// System is the cluster that a session is connected to.
type System struct {
	ID       string `json:"id"` // system identifier, made by initdb
	Timeline int    `json:"timeline"`
	Version  int    `json:"version"` // server_version_num
}

// Identify asks a replication session which cluster it is on.
func Identify(ctx context.Context, conn *pg.Conn) (System, error) {
	rows, err := simple(ctx, conn, "IDENTIFY_SYSTEM")
	if err != nil {
		return System{}, fmt.Errorf("identify system: %w", err)
	}
	s := System{ID: rows[0][0]}
	if s.Timeline, err = strconv.Atoi(rows[0][1]); err != nil {
		return System{}, fmt.Errorf("identify system: %w", err)
	}
	if rows, err = simple(ctx, conn, "SHOW server_version_num"); err != nil {
		return System{}, fmt.Errorf("identify system: %w", err)
	}
	if s.Version, err = strconv.Atoi(rows[0][0]); err != nil {
		return System{}, fmt.Errorf("identify system: %w", err)
	}
	return s, nil
}
