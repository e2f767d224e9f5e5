package peer

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"replicator/bench/measure"
)

// Meter measures what a piece of work takes.
type Meter struct {
	Tool    *Tool
	Servers []*Server
	// Daemons run beside the work and count as tools; nil where there are none.
	Daemons func() []*Daemon
}

// usage is CPU time so far.
type usage struct{ tools, servers, machine time.Duration }

func (m Meter) read() (u usage, err error) {
	u.tools = m.Tool.CPU()
	if m.Daemons != nil {
		for _, d := range m.Daemons() {
			used, err := d.CPU()
			if err != nil {
				return u, fmt.Errorf("CPU time of a tool: %w", err)
			}
			u.tools += used
		}
	}
	for _, s := range m.Servers {
		used, err := s.CPU()
		if err != nil {
			return u, fmt.Errorf("CPU time of a server: %w", err)
		}
		u.servers += used
	}
	u.machine, err = measure.MachineBusy()
	return u, err
}

// Clock does the work and says how long it took and who used how much CPU meanwhile. What others of
// this machine used tells whether the run was disturbed.
func (m Meter) Clock(ctx context.Context, do func(context.Context) error) (measure.Values, error) {
	before, err := m.read()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := do(ctx); err != nil {
		return nil, err
	}
	seconds := time.Since(began).Seconds()
	after, err := m.read()
	if err != nil {
		return nil, err
	}
	tools, servers, machine := after.tools-before.tools, after.servers-before.servers, after.machine-before.machine
	cores := float64(runtime.NumCPU())
	return measure.Values{
		"seconds":            seconds,
		"tool_cpu_seconds":   tools.Seconds(),
		"server_cpu_seconds": servers.Seconds(),
		"other_cpu_seconds":  (machine - tools - servers).Seconds(),
		"other_share":        (machine - tools - servers).Seconds() / seconds / cores,
		"machine_busy":       machine.Seconds() / seconds / cores,
	}, nil
}
