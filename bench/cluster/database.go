package cluster

import (
	"context"
	"fmt"
	"strings"

	"replicator/replicator/pg"
)

// CreateDatabase makes an empty database and returns its DSN, for tests that share a cluster but
// want a database of their own.
func (c *Cluster) CreateDatabase(ctx context.Context, name string) (string, error) {
	conn, err := pg.Connect(ctx, pg.Config{DSN: c.DSN("postgres"), Name: "cluster"})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	if err := conn.Exec(ctx, "CREATE DATABASE "+quoted+" TEMPLATE template0"); err != nil {
		return "", fmt.Errorf("create database: %w", err)
	}
	return c.DSN(name), nil
}
