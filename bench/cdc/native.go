package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"replicator/bench/measure"
	"replicator/bench/peer"
)

// slotPoll is how often it is asked whether a slot is in use.
const slotPoll = 2 * time.Millisecond

// native is PostgreSQL's own apply worker.
func native(streaming, binary bool) subject {
	name := fmt.Sprintf("native, streaming %s, %s", onOff(streaming), format(binary))
	slot := func(run int) string { return fmt.Sprintf("native_%t_%t_%d", streaming, binary, run) }
	return subject{
		name: name, role: measure.Peer, how: fmt.Sprintf("CREATE SUBSCRIPTION (streaming %s, binary %s), indexes in place", onOff(streaming), onOff(binary)),
		prepare: func(ctx context.Context, w *world, run int) error { return w.slot(ctx, slot(run)) },
		drain: func(ctx context.Context, w *world, b *backlog, run int) (measure.Values, error) {
			return w.drainNative(ctx, b, slot(run), fmt.Sprintf("streaming = %s, binary = %s", onOff(streaming), onOff(binary)))
		},
	}
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func format(binary bool) string {
	if binary {
		return "binary"
	}
	return "text"
}

// nativeDB is made anew for every run, from base.
const nativeDB = "native"

func (w *world) drainNative(ctx context.Context, b *backlog, slot, with string) (v measure.Values, err error) {
	if err := w.Target.Clone(ctx, nativeDB, baseDB); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.forgetNative(context.WithoutCancel(ctx))) }()
	if err := w.subscribe(ctx, slot, with); err != nil {
		return nil, err
	}
	failures, err := w.Target.Open(ctx, nativeDB)
	if err != nil {
		return nil, err
	}
	defer failures.Close()
	alive := func() error {
		n, err := failures.Value(ctx, "SELECT sync_error_count + apply_error_count FROM pg_stat_subscription_stats WHERE subname = $1", peer.Subscription)
		if err == nil && n != "0" {
			err = errors.New("the subscription failed: see the target's log")
		}
		return err
	}
	meter := peer.Meter{Tool: &peer.Tool{}, Servers: []*peer.Server{w.Source, w.Target}}
	at := &peer.Reader{Server: w.Target, DB: nativeDB, SQL: peer.NativeApplied}
	v, err = w.clock(ctx, meter, slot, func(ctx context.Context) error {
		return w.Target.Exec(ctx, nativeDB, "ALTER SUBSCRIPTION "+peer.Subscription+" ENABLE")
	}, at, b, alive)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, w.said())
	}
	return v, peer.Same(ctx, w.Source, sourceDB, w.Target, nativeDB)
}

// subscribe uses a slot that is there already, but not yet.
func (w *world) subscribe(ctx context.Context, slot, with string) error {
	return w.Target.Exec(ctx, nativeDB, fmt.Sprintf("CREATE SUBSCRIPTION %s CONNECTION '%s' PUBLICATION %s WITH (create_slot = false, slot_name = %s, copy_data = false, enabled = false, %s)",
		peer.Subscription, w.sourceDSN(), peer.Subscription, slot, with))
}

// forgetNative drops subscription, slot and database.
func (w *world) forgetNative(ctx context.Context) error {
	err := w.Target.Exec(ctx, nativeDB, "ALTER SUBSCRIPTION "+peer.Subscription+" DISABLE")
	if err == nil {
		err = w.Target.Exec(ctx, nativeDB, "DROP SUBSCRIPTION "+peer.Subscription)
	}
	return errors.Join(err, w.Target.Drop(ctx, nativeDB))
}

// said is the end of the target's log.
func (w *world) said() string { return peer.LogTail(w.Target) }
