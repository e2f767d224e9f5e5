package wire

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
	SourceIP = "10.213.77.1"
	TargetIP = "10.213.77.2"
	Prefix   = "/30"
	device   = "wan"
)

// Wire is the veth pair between two namespaces.
type Wire struct {
	Source, Target Netns
}

// Lay makes namespaces and wire, without a limit yet.
func Lay(ctx context.Context) (*Wire, error) {
	if err := sweepNetns(ctx); err != nil {
		return nil, err
	}
	w := &Wire{}
	if err := w.lay(ctx); err != nil {
		return nil, errors.Join(err, w.Remove(context.WithoutCancel(ctx)))
	}
	return w, nil
}

func (w *Wire) lay(ctx context.Context) (err error) {
	if w.Source, err = makeNetns(ctx, "source"); err != nil {
		return err
	}
	if w.Target, err = makeNetns(ctx, "target"); err != nil {
		return err
	}
	err = Run(ctx, "ip", "link", "add", device, "netns", string(w.Source), "type", "veth", "peer", device, "netns", string(w.Target))
	if err == nil {
		err = w.set(ctx, w.Source, SourceIP)
	}
	if err == nil {
		err = w.set(ctx, w.Target, TargetIP)
	}
	return err
}

// set brings up one end. Segmentation offload is off, so that bucket and counters see the packets
// that a wire would carry, with all their headers. Congestion control stays the machine's.
func (w *Wire) set(ctx context.Context, n Netns, ip string) error {
	err := Run(ctx, "ip", "-n", string(n), "addr", "add", ip+Prefix, "dev", device)
	if err == nil {
		err = Run(ctx, "ip", "netns", "exec", string(n), "ethtool", "-K", device, "tso", "off", "gso", "off", "gro", "off")
	}
	if err == nil {
		err = Run(ctx, "ip", "-n", string(n), "link", "set", device, "up")
	}
	return err
}

// Remove takes away wire and namespaces.
func (w *Wire) Remove(ctx context.Context) error {
	var errs []error
	for _, n := range []Netns{w.Source, w.Target} {
		if n != "" {
			errs = append(errs, n.remove(ctx))
		}
	}
	return errors.Join(errs...)
}

// Queue is how long a packet may wait for the bucket before it is dropped, as in a common router.
const Queue = 25 * time.Millisecond

// Shape limits both directions. The bucket holds what the link carries in two milliseconds, at
// least some packets: enough for a timer that is late, too little to hide the limit.
func (w *Wire) Shape(ctx context.Context, mbit int) error {
	burst := max(16<<10, mbit*1_000_000/8/500)
	for _, n := range []Netns{w.Source, w.Target} {
		err := Run(ctx, "tc", "-n", string(n), "qdisc", "replace", "dev", device, "root", "tbf",
			"rate", fmt.Sprintf("%dmbit", mbit), "burst", strconv.Itoa(burst), "latency", Queue.String())
		if err != nil {
			return err
		}
	}
	return nil
}

// Plug takes one end of the wire down or up.
func (w *Wire) Plug(ctx context.Context, how string) error {
	return Run(ctx, "ip", "-n", string(w.Source), "link", "set", device, how)
}

// Carried is what has crossed the wire so far, Ethernet headers included.
func (w *Wire) Carried() (toTarget, toSource int64, err error) {
	err = w.Source.Do(func() error {
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
