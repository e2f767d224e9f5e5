package main

import (
	"context"
	"os"
	"strings"

	"replicator/bench/measure"
	"replicator/bench/peer"
	"replicator/bench/wire"
)

// columns of the tables.
var columns = []measure.Column{
	{Title: "seconds", Value: "seconds"},
	{Title: "raw MB/s", Value: "raw_bytes_per_second", Show: measure.Show("%.1f", 1e-6)},
	{Title: "wire MB", Value: "wire_bytes", Show: measure.Show("%.1f", 1e-6)},
	{Title: "ratio", Value: "ratio", Show: measure.Show("%.2f", 1)},
	{Title: "copy s", Value: "copy_seconds"},
	{Title: "wire full", Value: "wire_share", Show: measure.Show("%.0f %%", 100)},
	{Title: "of nominal", Value: "wire_share_nominal", Show: measure.Show("%.0f %%", 100)},
	{Title: "tool CPU s", Value: "tool_cpu_seconds"},
	{Title: "server CPU s", Value: "server_cpu_seconds"},
	{Title: "other CPU s", Value: "other_cpu_seconds"},
	{Title: "rows/s", Value: "rows_per_second", Show: measure.Show("%.0f", 1)},
	{Title: "WAL MB/s", Value: "wal_bytes_per_second", Show: measure.Show("%.1f", 1e-6)},
	{Title: "resumed s", Value: "resume_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "caught up s", Value: "caught_up_seconds", Show: measure.Show("%.2f", 1)},
	{Title: "of first", Value: "versus_first", Show: measure.Show("%.2f", 1)},
	{Title: "machine busy", Value: "machine_busy", Show: measure.Show("%.0f %%", 100)},
}

// describe says what was measured, with what, on what.
func (w *world) describe(ctx context.Context, r *measure.Report, o options) {
	for name, args := range map[string][]string{
		"postgres":   {w.source.BinDir() + "/postgres", "--version"},
		"pg_dump":    {w.source.Client("pg_dump"), "--version"},
		"pgcopydb":   {"pgcopydb", "--version"},
		"zstd":       {"zstd", "--version"},
		"replicator": {o.program, "version"},
	} {
		if v := measure.Version(ctx, args[0], args[1:]...); v != "" {
			r.Versions[name] = v
		}
	}
	durable := "on"
	if o.fast {
		durable = "off"
	}
	r.Fact("rows", "%.1f MB in COPY's binary format (raw MB in what follows), %.1f MB in its text format; %d tables, %s indexes, %s constraints; scale %g",
		float64(w.raw)/1e6, float64(w.text)/1e6, len(w.want.Rows), w.want.Indexes, w.want.Constraints, o.scale)
	r.Fact("left out", "%s, which pgcopydb 0.10 fails on", peer.Exclusion)
	set := settings()
	r.Fact("servers", "shared_buffers %s, maintenance_work_mem %s, max_wal_size %s, autovacuum off, fsync %s",
		set["shared_buffers"], set["maintenance_work_mem"], set["max_wal_size"], durable)
	if cc, err := os.ReadFile("/proc/sys/net/ipv4/tcp_congestion_control"); err == nil {
		r.Fact("wire", "veth, tbf both ways, %s of queue, no segmentation offload, congestion control %s", wire.Queue, strings.TrimSpace(string(cc)))
	}
	r.Fact("compared at the end", "rows and a hash of every table's text but unlogged ones, number of indexes and constraints; sequences and materialized views are not looked at")
	r.Fact("copy s, wire full", "between %.0f %% and %.0f %% of the bytes that went to the target", edge*100, 100-edge*100)
	r.Fact("CPU", "tool: programs at both sites without the servers, where native replication runs; other: the wire, the proxy, and whatever else this machine did, which should be little")
}
