package stream

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"replicator/replicator/pg"
	"replicator/wal"
	"replicator/wal/slot"
)

// Log takes what is received; *changelog.Log is one. All calls come from one goroutine.
// It keeps the Relation messages of what it has: a transaction that it has is not appended again,
// and with it may go the server's only description of a table on this connection.
type Log interface {
	// Restart voids the incomplete transaction at the tail: it will come again from its Begin.
	Restart()
	// Append takes a message and copies it. lsn is that of the change, or of the one before where
	// the server gives none. It may wait while the log has no room, until ctx ends.
	Append(ctx context.Context, lsn wal.LSN, msg []byte) error
	// Mark notes that every transaction that commits below lsn has been appended. It is called
	// between transactions only.
	Mark(lsn wal.LSN)
	// Sync makes durable what was appended and marked, and returns the end of the last commit, or
	// the mark, that is.
	Sync() (wal.LSN, error)
}

// Spool keeps what the server streams of transactions before they commit; *changelog.Spool is one. All
// calls come from the goroutine that calls the Log. It begins a connection empty and need not be
// durable. Errors end the connection.
type Spool interface {
	// Begin opens a transaction by its top-level id, Has reports whether it is open.
	Begin(top uint32)
	Has(top uint32) bool
	// Append takes a message and copies it. xid is the subtransaction that made it, or top.
	Append(ctx context.Context, top, xid uint32, lsn wal.LSN, msg []byte) error
	// Flush ends a block: what comes next may be another transaction's.
	Flush(ctx context.Context) error
	// Abort voids what a subtransaction has made, or all if xid is top.
	Abort(top, xid uint32) error
	// Replay gives what is left of a transaction to each, in order, and forgets the transaction.
	Replay(top uint32, each func(lsn wal.LSN, msg []byte) error) error
	// Reset forgets everything.
	Reset() error
}

// Progress is how far a connection has come. The counts begin with it.
type Progress struct {
	Received     wal.LSN // end of the last transaction received whole
	Durable      wal.LSN // synced here
	Confirmed    wal.LSN // told to the slot
	ServerEnd    wal.LSN // how far the server has read its WAL for us
	Bytes        int64   // of messages
	Transactions int64
	LastCommit   time.Time // of the last transaction received whole, by the source's clock
}

// The dangerous instants that Config.Hook names.
const (
	BeforeSync   = "stream: before sync"
	AfterSync    = "stream: after sync"
	StatusSent   = "stream: status sent" // on the reporter's goroutine
	BlockSpooled = "stream: block spooled"
	Replayed     = "stream: replayed" // its commit is not in the log yet
)

// Config says what to stream and where to.
type Config struct {
	// Connect opens a replication session. Run closes it.
	Connect     func(context.Context) (*pg.Conn, error)
	Slot        string
	Publication string
	Binary      bool // values in binary, otherwise in text
	// Spell gives an R, I, U or D message as it is to be kept, valid until the next call: values that mean
	// nothing in binary elsewhere are spelled. nil keeps all as they come.
	Spell func(ctx context.Context, msg []byte) ([]byte, error)
	Log   Log
	Spool Spool
	// Streaming has the server send a large transaction while it runs; otherwise it keeps it until the
	// commit.
	Streaming bool

	// Confirm lowers what is confirmed to the slot from what is durable; nil confirms all that is
	// durable. It is called from a goroutine of Run's and must not block.
	Confirm func(durable wal.LSN) wal.LSN

	// Group is the longest that a commit waits for its sync while more keeps arriving. It costs
	// that much lag and saves syncs: 10 ms allow at most a hundred a second. When nothing more
	// arrives for a millisecond the sync comes at once.
	Group time.Duration
	// SyncBytes is the most that is received between syncs, 8 MiB: the log holds that in memory.
	SyncBytes int64
	// Report is the longest between two status updates, 3 s, or a quarter of the server's
	// wal_sender_timeout if that is shorter.
	Report time.Duration
	// Silence is how long the server may say nothing, though asked, before the connection counts
	// as lost: 2 min, for it may be busy with a large transaction.
	Silence time.Duration

	Logger   *slog.Logger
	Progress func(Progress) // after each sync and about once a second
	Hook     func(point string)
}

func (c *Config) validate() error {
	if err := slot.ValidName(c.Slot); err != nil {
		return err
	}
	switch {
	case c.Connect == nil:
		return errors.New("stream: Connect is missing")
	case c.Log == nil:
		return errors.New("stream: Log is missing")
	case c.Spool == nil:
		return errors.New("stream: Spool is missing")
	case c.Publication == "":
		return errors.New("stream: Publication is missing")
	}
	return nil
}

func (c *Config) defaults() {
	orElse(&c.Group, 10*time.Millisecond)
	orElse(&c.SyncBytes, 8<<20)
	orElse(&c.Report, 3*time.Second)
	orElse(&c.Silence, 2*time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Confirm == nil {
		c.Confirm = func(durable wal.LSN) wal.LSN { return durable }
	}
	if c.Spell == nil {
		c.Spell = asItComes
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	if c.Hook == nil {
		c.Hook = func(string) {}
	}
}

func orElse[T ~int64](v *T, def T) {
	if *v == 0 {
		*v = def
	}
}

func asItComes(_ context.Context, msg []byte) ([]byte, error) { return msg, nil }
