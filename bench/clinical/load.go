package clinical

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sync/errgroup"

	"replicator/replicator/pg"
)

//go:embed schema/*.sql
var schema embed.FS

// firstAfterRows is the schema file before which the rows are loaded.
const firstAfterRows = "schema/05_keys.sql"

// Options say how much to load. The same options give the same rows on every server and day.
type Options struct {
	Scale  float64 // 1: about 1.5 GB with indexes; 0: the smallest that has everything
	Seed   uint64
	Canary string // in every text value, so that a test can search what must not hold any
	Jobs   int    // tables at once; 0: 4
}

const defaultJobs = 4

// Validate checks o.
func (o Options) Validate() error {
	if o.Scale < 0 || o.Jobs < 0 {
		return errors.New("scale and jobs must not be negative")
	}
	if len(o.Canary) > 64 {
		return errors.New("the canary may have 64 bytes, so that keys still fit into their columns")
	}
	return nil
}

// Load creates schemas, roles and rows in the database at dsn, which must not have them yet. It
// needs a superuser, or a role that may create roles, schemas and trusted extensions there.
func Load(ctx context.Context, dsn string, opts Options) error {
	if err := opts.Validate(); err != nil {
		return err
	}
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return err
	}
	conn, err := connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, file := range files {
		if file == firstAfterRows {
			if err := loadRows(ctx, dsn, opts); err != nil {
				return err
			}
		}
		if err := runFile(ctx, conn, file); err != nil {
			return err
		}
	}
	if err := conn.Exec(ctx, "RESET ROLE; ANALYZE"); err != nil {
		return fmt.Errorf("analyze: %w", err)
	}
	return nil
}

func connect(ctx context.Context, dsn string) (*pg.Conn, error) {
	return pg.Connect(ctx, pg.Config{DSN: dsn, Name: "clinical load", Settings: map[string]string{
		"maintenance_work_mem": "256MB",
		"client_min_messages":  "warning",
	}})
}

// runFile runs a file as one transaction, which is what the simple protocol makes of it.
func runFile(ctx context.Context, conn *pg.Conn, file string) error {
	sql, err := schema.ReadFile(file)
	if err != nil {
		return err
	}
	if err := conn.Exec(ctx, string(sql)); err != nil {
		return fmt.Errorf("run %s: %w", file, err)
	}
	return nil
}

func loadRows(ctx context.Context, dsn string, opts Options) error {
	jobs := opts.Jobs
	if jobs == 0 {
		jobs = defaultJobs
	}
	todo := make(chan table)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(todo)
		for _, t := range tables() {
			select {
			case todo <- t:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range jobs {
		g.Go(func() error { return loadWorker(ctx, dsn, opts, todo) })
	}
	return g.Wait()
}

func loadWorker(ctx context.Context, dsn string, opts Options, todo <-chan table) error {
	conn, err := connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.Exec(ctx, "SET ROLE clinical_owner; SET synchronous_commit = off"); err != nil {
		return fmt.Errorf("become the owner: %w", err)
	}
	for t := range todo {
		copySQL := fmt.Sprintf("COPY %s (%s) FROM STDIN", t.name, t.columns)
		if _, err := conn.CopyFrom(ctx, t.reader(opts), copySQL); err != nil {
			return fmt.Errorf("load %s: %w", t.name, err)
		}
	}
	return nil
}
