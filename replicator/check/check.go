package check

import (
	"context"
	"fmt"
	"log/slog"
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
	Source string // DSN
	Target string // DSN
	Select schema.Selection

	Slot        string // "" derives it from the database's name, as seed does
	Publication string // "" is the slot's name
	NoKey       string // "late" ("" too) or "full": what becomes of tables without replica identity
	AcceptRisk  bool   // turns risks that the operator may take on himself into notes

	PgDump     string // path; "" finds the newest
	Dir        string // state directory of the job; "" leaves out its disk
	Jobs       int    // sessions that will copy, and that sample here; 0 is 4
	ChunkBytes int64  // 0 is chunker.DefaultBytes

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
	src, dst *side
	tables   []chunker.Table
	oids     string // of tables, an array literal
	scope    scope
	report   Report

	indexTally map[uint32]tally // by table; nil until asked
}

// Run checks both sides and plans the move. What must be fixed is in the report, not an error.
func Run(ctx context.Context, o Options) (*Report, error) {
	o.defaults()
	src, err := connect(ctx, Source, o.Source)
	if err != nil {
		return nil, err
	}
	defer src.conn.Close()
	dst, err := connect(ctx, Target, o.Target)
	if err != nil {
		return nil, err
	}
	defer dst.conn.Close()
	r := &run{o: o, src: src, dst: dst}
	if err := r.catalog(ctx); err != nil {
		return nil, err
	}
	for _, c := range checks {
		o.Logger.Debug("check", "name", c.name)
		if err := c.run(r, ctx); err != nil {
			return nil, fmt.Errorf("check %s: %w", c.name, err)
		}
	}
	if err := r.plan(ctx); err != nil {
		return nil, fault.New(fault.Source, fmt.Errorf("plan: %w", err), "")
	}
	r.report.Version, r.report.Made = ReportVersion, time.Now().UTC()
	r.report.Source, r.report.Target = src.Server, dst.Server
	return &r.report, nil
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
	name string
	run  func(*run, context.Context) error
}

// checks are all questions, in the order in which the report answers them.
var checks = []oneCheck{
	{"versions", (*run).versions},
	{"standby", (*run).standby},
	{"same database", (*run).sameDatabase},
	{"sessions", (*run).sessions},
	{"replication connection", (*run).replicationConnection},
	{"logical decoding", (*run).decoding},
	{"slot", (*run).slot},
	{"retention", (*run).retention},
	{"transactions", (*run).transactions},
	{"rights on the source", (*run).sourceRights},
	{"publication", (*run).publication},
	{"replica identity", (*run).identity},
	{"row security", (*run).rowSecurity},
	{"rights on the target", (*run).targetRights},
	{"replica role", (*run).replicaRole},
	{"roles", (*run).roles},
	{"owners", (*run).owners},
	{"rights on public", (*run).publicRights},
	{"target empty", (*run).empty},
	{"extensions", (*run).extensions},
	{"superuser objects", (*run).superuserObjects},
	{"tablespaces", (*run).tablespaces},
	{"encoding", (*run).encoding},
	{"collation", (*run).collation},
	{"types", (*run).types},
	{"large objects", (*run).largeObjects},
	{"objects", (*run).objects},
	{"triggers", (*run).triggers},
	{"settings", (*run).sessionSettings},
	{"pg_dump", (*run).tools},
	{"disk", (*run).disk},
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

// both gives both sides in turn.
func (r *run) both() []*side { return []*side{r.src, r.dst} }

// qualified is the SQL for the printable name of pg_class c in pg_namespace n.
const qualified = "n.nspname || '.' || c.relname"
