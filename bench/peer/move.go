package peer

import (
	"context"
	"fmt"
	"path/filepath"
)

// Move is one database on its way.
type Move struct {
	*Tool
	Source, Target     *Server
	From, To           string // the databases
	FromPlace, ToPlace Place  // the sites
	SourceDSN          string // for who reads the source from the target's site
	Scratch            string // a directory for files of the tools
}

// TargetDSN is for who writes at the target's site.
func (m *Move) TargetDSN() string { return m.Target.SocketDSN(m.To) }

// Restore is pg_restore into the target, at its site, of its input or of what args name.
func (m *Move) Restore(args ...string) Stage {
	argv := []string{m.Target.Client("pg_restore"), "--exit-on-error", "-d", m.TargetDSN()}
	return At(m.ToPlace, append(argv, args...)...)
}

// DumpHere is pg_dump at the source's site.
func (m *Move) DumpHere(args ...string) Stage {
	argv := []string{m.Source.Client("pg_dump"), "-Fc", "-d", m.Source.SocketDSN(m.From)}
	return At(m.FromPlace, append(argv, args...)...)
}

// DumpDirectory is pg_dump -Fd without compression and then pg_restore, both with jobs.
func (m *Move) DumpDirectory(ctx context.Context, jobs int) error {
	dir, j := filepath.Join(m.Scratch, "dump"), fmt.Sprintf("-j%d", jobs)
	err := m.Run(ctx, m.ToPlace, m.Source.Client("pg_dump"), "-Fd", "-Z0", j, "-f", dir, "-d", m.SourceDSN)
	if err != nil {
		return err
	}
	return m.Pipeline(ctx, m.Restore(j, dir))
}

// PgCopyDB is pgcopydb clone at the target's site.
func (m *Move) PgCopyDB(ctx context.Context, tableJobs, indexJobs int) error {
	return m.Run(ctx, m.ToPlace, "pgcopydb", "clone", "--source", m.SourceDSN, "--target", m.TargetDSN(),
		"--dir", filepath.Join(m.Scratch, "pgcopydb"), "--table-jobs", fmt.Sprint(tableJobs), "--index-jobs", fmt.Sprint(indexJobs))
}

// Schema dumps the source's schema for a [Schema] to restore.
func (m *Move) Schema(ctx context.Context) (Schema, error) {
	s := Schema{m: m, archive: filepath.Join(m.Scratch, "schema.dump")}
	return s, m.Run(ctx, m.ToPlace, m.Source.Client("pg_dump"), "-Fc", "-s", "--no-publications", "-f", s.archive, "-d", m.SourceDSN)
}
