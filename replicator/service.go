package replicator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/link"
	"replicator/replicator/link/pki"
	"replicator/replicator/pg"
)

// ServeOptions say what the target end's service serves, and to whom.
type ServeOptions struct {
	Target string // DSN; one without a database serves every database of that server
	Listen string // address:port
	Dir    string // for the service's lock; it holds no rows

	Cert, Key, CA string // files: the certificate is of role target

	Logger    *slog.Logger            `json:"-"`
	Listening func(net.Addr)          `json:"-"` // nil, or called once connections are taken
	Hook      func(point string)      `json:"-"` // nil, or called at dangerous instants: see the kill tests
	Tamper    func(net.Conn) net.Conn `json:"-"` // nil, or stands between TLS and the messages: see the fault tests
}

// Validate fills in the defaults; its errors are of code fault.Usage.
func (o *ServeOptions) Validate() error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return fault.New(fault.Usage, errors.Join(required("target", o.Target), parses("target", o.Target), required("dir", o.Dir),
		hostPort("listen", o.Listen, "0.0.0.0:7432")), "see replicator serve --help")
}

// Serve is the target end as a service: it takes connections of source ends until ctx ends, which is
// fault.Interrupted. What is under way then is rolled back; the source ends go on when it is back.
func Serve(ctx context.Context, o ServeOptions) error {
	if err := o.Validate(); err != nil {
		return err
	}
	files := pki.Files{Cert: o.Cert, Key: o.Key, CA: o.CA}
	if err := given(files); err != nil {
		return err
	}
	id, err := pki.Load(files, pki.Target)
	if err != nil {
		return err
	}
	if w := id.Warn(time.Now()); w != "" {
		o.Logger.Warn(w)
	}
	lock, err := lockService(o.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	lc := net.ListenConfig{KeepAliveConfig: link.KeepAlive}
	l, err := lc.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fault.New(fault.Link, fmt.Errorf("listen: %w", err), "is the port free, and above 1023 or the user root, and the address this machine's?")
	}
	o.tryTarget(ctx)
	o.Logger.Info("serving", "address", l.Addr().String())
	if o.Listening != nil {
		o.Listening(l.Addr())
	}
	s := link.NewServer(link.ServerConfig{Identity: id, DSN: o.dsn, Logger: o.Logger, Hook: o.Hook, Tamper: o.Tamper})
	if err := s.Run(ctx, l); err != nil {
		return err
	}
	return fault.New(fault.Interrupted, errors.New("told to stop; nothing is lost"), "the source ends go on when it is started again")
}

// trying bounds the look at the target when the service begins.
const trying = 5 * time.Second

// tryTarget warns where the target does not let us in: a mistake in --target is better seen here than
// at the other site. It may be that the server is to start after us, so that is all.
func (o *ServeOptions) tryTarget(ctx context.Context) {
	database, err := pg.DatabaseOf(o.Target)
	if err != nil || database == "" {
		return // which one it is jobs will say
	}
	ctx, cancel := context.WithTimeout(ctx, trying)
	defer cancel()
	conn, err := pg.Connect(ctx, pg.Config{DSN: o.Target, Name: "replicator serve"})
	if err != nil {
		o.Logger.Warn("the target does not let us in: jobs will fail until it does", "error", err)
		return
	}
	conn.Close()
}

// dsn is that of the database that a job moves to: the one that --target names, or where it names
// none the one that the job asks for.
func (o *ServeOptions) dsn(want, source string) (string, error) {
	ours, err := pg.DatabaseOf(o.Target)
	switch {
	case err != nil:
		return "", fault.New(fault.Usage, err, "")
	case ours != "" && want != "" && ours != want:
		return "", fault.New(fault.Usage, errors.New("the target end serves another database than --target-database asks for"),
			"leave --target-database out, or start replicator serve with a --target that names no database")
	case ours != "":
		return o.Target, nil
	case want != "":
		return pg.WithDatabase(o.Target, want), nil
	}
	return pg.WithDatabase(o.Target, source), nil
}

// lockService keeps a second service away from the directory.
func lockService(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.New(fault.Store, fmt.Errorf("make state directory: %w", err), "")
	}
	f, err := os.OpenFile(filepath.Join(dir, "serve.lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fault.New(fault.Store, fmt.Errorf("open the service's lock: %w", err), "")
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fault.New(fault.Fenced, errors.New("another replicator serve runs on this --dir"), "stop it first, or give another --dir"), f.Close())
	}
	return f, nil
}
