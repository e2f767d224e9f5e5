package check

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/schema"
	"replicator/replicator/source"
)

// Options say what is to be moved and how.
type Options struct {
	Source string // DSN; "" where only the target is within reach
	Target string // DSN; "" where only the source is
	Select schema.Selection

	Slot        string // "" derives it from the database's name, as seed does
	Publication string // "" is the slot's name
	NoKey       string // "late" ("" too) or "full": what becomes of tables without replica identity
	AcceptRisk  bool   // turns risks that the operator may take on himself into notes

	Tablespaces  schema.Tablespaces // where on the target lies what lies in one of the source
	LargeObjects string             // "yes", "no" or "auto" ("" too): whether they are moved
	DDL          string             // "replicate", or "stop" ("" too)

	PgDump     string // path; "" finds the newest
	Dir        string // state directory of the job; "" leaves out its disk
	Jobs       int    // sessions that will copy, and that sample here; 0 is 4
	ChunkBytes int64  // 0 is chunker.DefaultBytes

	// Foretold is what replicator bench has foretold of this move; nil: nothing was measured.
	Foretold *Foretold

	// LongTransaction is the age from which a transaction is named; 0 is a minute.
	LongTransaction time.Duration
	Logger          *slog.Logger
}

func (o *Options) defaults() {
	if o.Jobs < 1 {
		o.Jobs = 4
	}
	if o.LongTransaction == 0 {
		o.LongTransaction = time.Minute
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// run is one check under way.
type run struct {
	o        Options
	src, dst *side // nil: not looked at
	tables   []chunker.Table
	naming   map[uint32]bool // tables that name indexes, by OID: they are copied at the fence
	oids     string          // of tables, an array literal
	scope    scope
	report   Report

	indexTally map[uint32]tally // by table; nil until asked
}

// Run checks both sides and plans the move; with one DSN it checks that side alone, and the report
// names what takes both. What must be fixed is in the report, not an error.
func Run(ctx context.Context, o Options) (*Report, error) {
	o.defaults()
	r := &run{o: o}
	for _, s := range []struct {
		name Side
		dsn  string
		to   **side
	}{{Source, o.Source, &r.src}, {Target, o.Target, &r.dst}} {
		if s.dsn == "" {
			continue
		}
		found, err := connect(ctx, s.name, s.dsn)
		if err != nil {
			return nil, err
		}
		defer found.conn.Close()
		*s.to = found
	}
	if r.src == nil && r.dst == nil {
		return nil, fault.New(fault.Usage, errors.New("neither source nor target is given"), "")
	}
	return r.look(ctx)
}

// look asks what can be asked of the sides that are there.
func (r *run) look(ctx context.Context) (*Report, error) {
	r.report.Version, r.report.Made = ReportVersion, time.Now().UTC()
	if r.src != nil {
		if err := r.catalog(ctx); err != nil {
			return nil, err
		}
	}
	for _, c := range checks {
		if !r.reaches(c.needs) {
			r.report.Unchecked = append(r.report.Unchecked, c.name)
			continue
		}
		r.o.Logger.Debug("check", "name", c.name)
		if err := c.run(r, ctx); err != nil {
			return nil, fmt.Errorf("check %s: %w", c.name, err)
		}
	}
	if r.src != nil {
		if err := r.manifest(ctx); err != nil {
			return nil, err
		}
		if err := r.plan(ctx); err != nil {
			return nil, fault.New(fault.Source, fmt.Errorf("plan: %w", err), "")
		}
		r.report.Source = r.src.Server
	}
	if r.dst != nil {
		r.report.Target = r.dst.Server
	}
	return &r.report, nil
}

// reaches says whether the sides that a check needs are there.
func (r *run) reaches(needs Side) bool {
	switch needs {
	case Source:
		return r.src != nil
	case Target:
		return r.dst != nil
	case Both:
		return r.src != nil && r.dst != nil
	}
	return true
}

// catalog reads the tables that will move.
func (r *run) catalog(ctx context.Context) error {
	if r.o.Slot == "" {
		r.o.Slot = source.DefaultName(r.src.Database)
	}
	if r.o.Publication == "" {
		r.o.Publication = r.o.Slot
	}
	tables, err := schema.Tables(ctx, r.src.conn, r.o.Select)
	if err != nil {
		if fault.CodeOf(err) != fault.Unexpected {
			return err
		}
		return fault.New(fault.Source, fmt.Errorf("read the source's catalog: %w", err), "")
	}
	r.tables = tables
	if r.naming, err = schema.NamingIndexes(ctx, r.src.conn, tables, r.late); err != nil {
		return fault.New(fault.Source, err, "")
	}
	return r.setScope(ctx)
}

// oidArray is an array literal of the tables that keep says.
func oidArray(tables []chunker.Table, keep func(*chunker.Table) bool) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range tables {
		if !keep(&tables[i]) {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(tables[i].OID), 10))
	}
	b.WriteByte('}')
	return b.String()
}

// oneCheck is a question with its name.
type oneCheck struct {
	name  string
	needs Side // Source, Target or Both; "" is whichever is there
	run   func(*run, context.Context) error
}

// checks are all questions, in the order in which the report answers them.
var checks = []oneCheck{
	{"versions", "", (*run).versions},
	{"minor release", Source, (*run).minorRelease},
	{"downgrade", Both, (*run).downgrade},
	{"standby", "", (*run).standby},
	{"same database", Both, (*run).sameDatabase},
	{"sessions", "", (*run).sessions},
	{"replication connection", Source, (*run).replicationConnection},
	{"logical decoding", Source, (*run).decoding},
	{"slot", Source, (*run).slot},
	{"retention", Source, (*run).retention},
	{"transactions", Source, (*run).transactions},
	{"rights on the source", Source, (*run).sourceRights},
	{"publication", Source, (*run).publication},
	{"replica identity", Source, (*run).identity},
	{"statements", Source, (*run).statements},
	{"row security", Source, (*run).rowSecurity},
	{"rights on the target", Target, (*run).targetRights},
	{"replica role", Target, (*run).replicaRole},
	{"guard", Target, (*run).guard},
	{"roles", Both, (*run).roles},
	{"owners", Both, (*run).owners},
	{"rights on public", Both, (*run).publicRights},
	{"target empty", Both, (*run).empty},
	{"target's large objects", Both, (*run).strangeObjects},
	{"extensions", Both, (*run).extensions},
	{"superuser objects", Both, (*run).superuserObjects},
	{"tablespaces", Both, (*run).tablespaces},
	{"encoding", Both, (*run).encoding},
	{"collation versions", "", (*run).collationVersions},
	{"collation", Both, (*run).collation},
	{"types", Source, (*run).types},
	{"money", Both, (*run).money},
	{"large objects", Source, (*run).largeObjects},
	{"objects", Source, (*run).objects},
	{"generated columns of children", Both, (*run).generatedHeirs},
	{"compression", Both, (*run).compression},
	{"triggers", Source, (*run).triggers},
	{"event triggers", Target, (*run).eventTriggers},
	{"settings", "", (*run).sessionSettings},
	{"database settings", Both, (*run).databaseSettings},
	{"pg_dump", Source, (*run).tools},
	{"disk", Source, (*run).disk},
}

// add puts a finding into the report.
func (r *run) add(f Finding) { r.report.Findings = append(r.report.Findings, f) }

// ok is a finding that asks for nothing.
func (r *run) ok(id string, side Side, subject, format string, args ...any) {
	r.add(Finding{ID: id, Level: OK, Side: side, Subject: subject, Text: fmt.Sprintf(format, args...)})
}

// note is a finding that asks for attention.
func (r *run) note(id string, side Side, subject, format string, args ...any) {
	r.add(Finding{ID: id, Level: Note, Side: side, Subject: subject, Text: fmt.Sprintf(format, args...)})
}

// risk is Must, or Note where the operator has taken the risk on himself.
func (r *run) risk() Level {
	if r.o.AcceptRisk {
		return Note
	}
	return Must
}

// sides gives the sides that are there, the source first.
func (r *run) sides() []*side {
	return slices.DeleteFunc([]*side{r.src, r.dst}, func(s *side) bool { return s == nil })
}

// qualified is the SQL for the printable name of pg_class c in pg_namespace n.
const qualified = "n.nspname || '.' || c.relname"
