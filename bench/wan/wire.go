package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Addresses within the two namespaces; nobody else sees them.
const (
	sourceIP = "10.213.77.1"
	targetIP = "10.213.77.2"
	prefix   = "/30"
	device   = "wan"
)

// wire is the veth pair between two namespaces.
type wire struct {
	source, target netns
}

// layWire makes namespaces and wire, without a limit yet.
func layWire(ctx context.Context) (*wire, error) {
	if err := sweepNetns(ctx); err != nil {
		return nil, err
	}
	w := &wire{}
	if err := w.lay(ctx); err != nil {
		return nil, errors.Join(err, w.remove(context.WithoutCancel(ctx)))
	}
	return w, nil
}

func (w *wire) lay(ctx context.Context) (err error) {
	if w.source, err = makeNetns(ctx, "source"); err != nil {
		return err
	}
	if w.target, err = makeNetns(ctx, "target"); err != nil {
		return err
	}
	err = run(ctx, "ip", "link", "add", device, "netns", string(w.source), "type", "veth", "peer", device, "netns", string(w.target))
	if err == nil {
		err = w.set(ctx, w.source, sourceIP)
	}
	if err == nil {
		err = w.set(ctx, w.target, targetIP)
	}
	return err
}

// set brings up one end. Segmentation offload is off, so that bucket and counters see the packets
// that a wire would carry, with all their headers. Congestion control stays the machine's.
func (w *wire) set(ctx context.Context, n netns, ip string) error {
	err := run(ctx, "ip", "-n", string(n), "addr", "add", ip+prefix, "dev", device)
	if err == nil {
		err = run(ctx, "ip", "netns", "exec", string(n), "ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off")
	}
	if err == nil {
		err = run(ctx, "ip", "-n", string(n), "link", "set", device, "up")
	}
	return err
}

// remove takes away wire and namespaces.
func (w *wire) remove(ctx context.Context) error {
	var errs []error
	for _, n := range []netns{w.source, w.target} {
		if n != "" {
			errs = append(errs, n.remove(ctx))
		}
	}
	return errors.Join(errs...)
}

// queue is how long a packet may wait for the bucket before it is dropped, as in a common router.
const queue = 25 * time.Millisecond

// shape limits both directions. The bucket holds what the link carries in two milliseconds, at
// least some packets: enough for a timer that is late, too little to hide the limit.
func (w *wire) shape(ctx context.Context, mbit int) error {
	burst := max(16<<10, mbit*1_000_000/8/500)
	for _, n := range []netns{w.source, w.target} {
		err := run(ctx, "tc", "-n", string(n), "qdisc", "replace", "dev", device, "root", "tbf",
			"rate", fmt.Sprintf("%dmbit", mbit), "burst", strconv.Itoa(burst), "latency", queue.String())
		if err != nil {
			return err
		}
	}
	return nil
}

// plug takes one end of the wire down or up.
func (w *wire) plug(ctx context.Context, how string) error {
	return run(ctx, "ip", "-n", string(w.source), "link", "set", device, how)
}

// carried is what has crossed the wire so far, Ethernet headers included.
func (w *wire) carried() (toTarget, toSource int64, err error) {
	err = w.source.do(func() error {
		toTarget, toSource, err = deviceBytes("/proc/thread-self/net/dev")
		return err
	})
	return toTarget, toSource, err
}

// deviceBytes reads what the wire's device sent and received.
func deviceBytes(path string) (sent, received int64, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, rest, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) != device {
			continue
		}
		f := strings.Fields(rest) // 8 of receive, 8 of transmit, bytes first
		if len(f) < 9 {
			break
		}
		received, err = strconv.ParseInt(f[0], 10, 64)
		if err == nil {
			sent, err = strconv.ParseInt(f[8], 10, 64)
		}
		return sent, received, err
	}
	return 0, 0, fmt.Errorf("no device %s in %s", device, path)
}
