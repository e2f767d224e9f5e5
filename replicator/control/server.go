package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Bounds on a client. One that reads nothing for clientPatience counts as gone: a stopped terminal
// must hold up neither the engine nor a catch-up.
const (
	clientPatience = 10 * time.Second
	largestRequest = 64 << 10
)

// Serve answers on the control socket in dir until ctx ends; then requests' contexts end too, it
// waits for their handlers (a catch-up lifts its fence meanwhile) and removes the socket. The caller
// holds the store's lock from before until after, so that no other engine's socket is touched.
func Serve(ctx context.Context, dir string, h http.Handler) error {
	l, err := listen(dir)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: clientPatience,
		IdleTimeout:       clientPatience,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { stopped <- srv.Shutdown(context.WithoutCancel(ctx)) })
	err = srv.Serve(l)
	if stop() {
		return errors.Join(fmt.Errorf("serve: %w", err), srv.Close()) // Serve ended by itself
	}
	return errors.Join(<-stopped, remove(dir))
}

func remove(dir string) error {
	err := os.Remove(filepath.Join(dir, Name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
