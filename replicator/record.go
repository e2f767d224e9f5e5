package replicator

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/wal"
	"replicator/wal/slot"
)

// record is what a job was begun with. It never changes.
type record struct {
	Job         string           `json:"job"`
	Created     time.Time        `json:"created"`
	Source      string           `json:"source,omitempty"` // DSNs, only where they hold no password
	Target      string           `json:"target,omitempty"`
	Link        reach            `json:"link,omitzero"`
	Database    string           `json:"database"` // on the source
	System      slot.System      `json:"system"`   // the source cluster
	Slot        string           `json:"slot"`
	Publication string           `json:"publication"`
	NoKey       string           `json:"no_key"`
	Select      schema.Selection `json:"select"`
	ChunkBytes  int64            `json:"chunk_bytes"`
	SearchPath  string           `json:"search_path"` // of the source database

	DDL          string             `json:"ddl,omitempty"`           // ddlReplicate, or "" for ddlStop
	LargeObjects bool               `json:"large_objects,omitempty"` // they are moved
	Tablespaces  schema.Tablespaces `json:"tablespaces,omitempty"`
}

// Names of what the store holds besides the plan and the receipts.
const (
	keyRecord     = "job"
	keyWork       = "work"
	keyManifest   = "manifest"
	keyBaseline   = "baseline"
	keySlot       = "slot"
	keyMarker     = "marker"
	keyConsistent = "consistent"
	keyPhase      = "phase"
	keyFence      = "fence"
	keyUndo       = "undo"    // steps that a catch-up has made, or was about to
	keyOpening    = "opening" // a catch-up was about to open the target, or has
	keyReport     = "report"
	keySigner     = "signer" // of the reports
	keyStatus     = "status"
	keyFailure    = "failure"
	keyStrangers  = "strangers"
	keySettings   = "settings"
	keyMarks      = "marks"     // of planned tables, where those have changed harmlessly
	keyResync     = "resync"    // tables that are taken through again
	keyPublished  = "published" // the publication, as it was when the slot was made
	keyStreaming  = "streaming" // what --streaming was last
	keySecret     = "secret"    // of the fingerprints
	keyReuse      = "reuse"     // the target held rows when the copy began
	keyVerify     = "verify"    // the last verification, or the one under way
	keyVerified   = "verified"  // those that ended
	keyRates      = "rates"     // what was measured, for predictions
	keyTouches    = "touches"   // what was proved equal, and how far the notes of changed rows go
	keyCarried    = "carried"   // statements that are in the plan
	keyObjects    = "objects"   // what was found equal of the large objects
)

// slotRecord is written before the slot is made and completed after it.
type slotRecord struct {
	Made       bool    `json:"made"`
	Consistent wal.LSN `json:"consistent"`
	Xmax       uint64  `json:"xmax"`   // of a snapshot taken when the slot was there
	Waited     bool    `json:"waited"` // everything that ran at that time has ended
}

// markerRecord is the marker after the last chunk; its commit is the consistent point.
type markerRecord struct {
	Content string  `json:"content"`
	LSN     wal.LSN `json:"lsn"` // of the message, below its commit
}

// consistentRecord says that the target has reached the consistent point, and that all of the
// indexes and constraints that wait for it are there.
type consistentRecord struct {
	LSN     wal.LSN   `json:"lsn"`
	At      time.Time `json:"at"`
	Indexed bool      `json:"indexed"`
}

// newRecord looks at the source and names the job.
func newRecord(ctx context.Context, o *Options) (record, error) {
	if o.Source == "" || o.Target == "" && o.Link.Host == "" {
		return record{}, fault.New(fault.Usage, fmt.Errorf("a new job needs --source, and --target or --target-host"), "or REPLICATOR_SOURCE and REPLICATOR_TARGET; see replicator seed --help")
	}
	name, err := nameJob(o)
	if err != nil {
		return record{}, err
	}
	r := record{
		Job: name, Created: time.Now().UTC(), Slot: o.Slot, Publication: o.Publication,
		NoKey: o.NoKey, Select: o.Select, ChunkBytes: o.ChunkBytes, LargeObjects: o.carriesLargeObjects(), Tablespaces: o.Tablespaces, DDL: strings.TrimPrefix(o.DDL, ddlStop),
		Source: withoutPassword(o.Source), Target: withoutPassword(o.Target), Link: o.Link.reach(),
	}
	cfg, err := pg.ParseDSN(o.Source)
	if err != nil {
		return record{}, err
	}
	r.Database = cfg.Database
	if r.Slot == "" {
		r.Slot = source.DefaultName(r.Database)
	}
	if r.Publication == "" {
		r.Publication = r.Slot
	}
	db := &source.Database{DSN: o.Source, Job: r.Job}
	if r.System, err = systemOf(ctx, db); err != nil {
		return record{}, err
	}
	r.SearchPath, err = db.SearchPath(ctx)
	return r, err
}

// nameJob is the job's name as it was given, or that of the certificate for one job, or a random one.
func nameJob(o *Options) (string, error) {
	name := o.Name
	if o.Link.Host != "" {
		var err error
		if name, err = o.Link.nameJob(name); err != nil {
			return "", err
		}
	}
	if name != "" {
		return name, nil
	}
	var id [6]byte
	if _, err := rand.Read(id[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(id[:]), nil
}

// systemOf identifies the source cluster; it needs a walsender session and so tells at once when a
// pooler or pg_hba.conf is in the way.
func systemOf(ctx context.Context, db *source.Database) (slot.System, error) {
	conn, err := db.ConnectReplication(ctx)
	if err != nil {
		return slot.System{}, err
	}
	defer conn.Close()
	return slot.Identify(ctx, conn)
}

func withoutPassword(dsn string) string {
	if pg.HasPassword(dsn) {
		return ""
	}
	return dsn
}

// resume holds the options of this run against what the job was begun with.
func (r *record) resume(o *Options) error {
	if o.Source == "" {
		o.Source = r.Source
	}
	if err := r.resumeTarget(o); err != nil {
		return err
	}
	if o.Source == "" || o.Target == "" && o.Link.Host == "" {
		return fault.New(fault.Usage, fmt.Errorf("the DSNs of job %s are not stored, because they hold a password", r.Job),
			"give --source and --target, or REPLICATOR_SOURCE and REPLICATOR_TARGET")
	}
	for _, c := range []struct{ flag, was, is string }{
		{"job", r.Job, o.Name}, {"slot-name", r.Slot, o.Slot}, {"publication", r.Publication, o.Publication}, {"no-key", r.NoKey, o.NoKey},
		{"large-objects", yesNo(r.LargeObjects), o.LargeObjects},
		{"ddl", cmp.Or(r.DDL, ddlStop), o.DDL},
		{"tablespace-map", r.Tablespaces.String(), o.Tablespaces.String()},
	} {
		byDefault := c.flag == "no-key" && c.is == "late" || c.flag == "large-objects" && c.is == "auto"
		if c.is != "" && c.is != c.was && !byDefault {
			return fault.New(fault.Usage, fmt.Errorf("job %s was begun with --%s %s", r.Job, c.flag, c.was),
				"leave it as it was, or begin a new job in another --dir")
		}
	}
	if !o.Select.IsZero() && fmt.Sprint(o.Select) != fmt.Sprint(r.Select) {
		return fault.New(fault.Usage, fmt.Errorf("job %s was begun with another selection of tables", r.Job),
			"leave it as it was, or begin a new job in another --dir")
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// resumeTarget finds the target end where the job left it, unless this run names it. A job may move
// from one way to the other: what is on the target counts.
func (r *record) resumeTarget(o *Options) error {
	switch {
	case o.Target != "" && o.Link.Host != "":
		return fault.New(fault.Usage, fmt.Errorf("--target and --target-host exclude each other"), "")
	case o.Target != "":
		return nil
	case r.Link.Host != "" || o.Link.Host != "":
		o.Link.orStored(r.Link)
		return nil
	}
	o.Target = r.Target
	return nil
}
