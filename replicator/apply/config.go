package apply

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"replicator/chunker"
	"replicator/replicator/pg"
	"replicator/wal"
)

// Source gives the change log's sealed frames in order. Next blocks until there is one; the frame
// is valid until the next call. io.EOF says that there will never be another, and Run returns
// once everything before it is applied. Next is called from one goroutine.
type Source interface {
	Next(ctx context.Context) ([]byte, error)
}

// Opened is a Source that has opened its frames to check them, as a change log on this machine does.
type Opened interface {
	Source
	// Raw is what the frame holds that Next gave last, digest checked; it is valid until the next call.
	Raw() []byte
}

// Limits bound a window. A transaction beyond them is applied in pieces of this size.
type Limits struct {
	Changes int           // row changes; default 40,000
	Bytes   int64         // of messages and values held; default 16 MiB
	Delay   time.Duration // age at which an open window is closed although more keeps coming; default 500 ms
}

// Config says what is applied, where and how far.
type Config struct {
	// Connect opens a session on the target, with session_replication_role = replica where that
	// is granted. It is called again after every lost connection.
	Connect func(context.Context) (*pg.Conn, error)
	Job     string
	Epoch   int64 // of this engine; another epoch in the target's job row means fenced

	Tables []chunker.Table
	Filter Filter // nil: every change is due
	// Skip are relations, by their ids in the stream, whose changes are passed over whatever they are:
	// tables that are gone from the source and from the target.
	Skip   []uint32
	Limits Limits
	// Until is the content of a marker: Run returns once the window that ends with it has been
	// committed. A marker that the target had already passed when Run began ends it as well, if
	// the source still gives it. Empty: follow until ctx ends.
	Until string
	// Stop, unless it is zero, is the end of a commit: Run returns once that is applied and before
	// anything that commits later is. A target that stands there or beyond ends it as well.
	Stop wal.LSN

	// DDL has statements carried that the source's event triggers tell of. Carried is the number of the last
	// one that Tables are as of.
	DDL     bool
	Carried int64
	Late    []chunker.Table // of the plan; they may be dropped, and no other statement on them is carried
	Pinned  []int           // ordinals of tables that keep their names: what waits for the fence has them in its text

	Logger   *slog.Logger
	Progress func(Progress)     // called after every commit, from Run's goroutine; may be nil
	Hook     func(point string) // dangerous instants, for tests; may be nil
}

// The dangerous instants that Config.Hook is told of.
const (
	BeforeCommit = "apply: before commit"
	AfterCommit  = "apply: after commit"
	StatementRan = "apply: statement"
)

func (cfg *Config) validate() error {
	if cfg.Connect == nil || cfg.Job == "" {
		return fmt.Errorf("apply: config needs Connect and Job")
	}
	if cfg.Limits.Changes <= 0 {
		cfg.Limits.Changes = 40_000
	}
	if cfg.Limits.Bytes <= 0 {
		cfg.Limits.Bytes = 16 << 20
	}
	if cfg.Limits.Delay <= 0 {
		cfg.Limits.Delay = 500 * time.Millisecond
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Hook == nil {
		cfg.Hook = func(string) {}
	}
	if cfg.Progress == nil {
		cfg.Progress = func(Progress) {}
	}
	return nil
}
