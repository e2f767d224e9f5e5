package status

import "testing"

func TestLine(t *testing.T) {
	with := func(change func(*Status)) Status {
		s := copying()
		change(&s)
		return s
	}
	for _, tc := range []struct {
		name, want string
		s          Status
	}{
		{"copying", "copying 20.6/68.0 GB (30%), 2/4 tables, 85.0 MB/s, lag 1.2 s (55.3 MB), ETA 00:11:11", copying()},
		{"from the store", "copying 20.6/68.0 GB (30%), 2/4 tables, no engine running", with(func(s *Status) { s.Running = false })},
		{"nothing applied yet", "copying 20.6/68.0 GB (30%), 2/4 tables, 85.0 MB/s, ETA unknown",
			with(func(s *Status) { s.Apply.Applied, s.Copy.ETA = 0, -1 })},
		{"preparing", "preparing, waiting for 2 older transactions",
			with(func(s *Status) { s.Phase, s.Waiting = Preparing, "2 older transactions" })},
		{"indexing", "indexing 7/40, 2 running, lag 1.2 s (55.3 MB)", with(func(s *Status) { s.Phase = Indexing })},
		{"catching up", "catching up, 55.3 MB behind, 340 changes/s, ETA 1d 01:01:01",
			with(func(s *Status) { s.Phase, s.Apply.ETA = CatchingUp, 86400+3661 })},
		{"following", "following, lag 0.0 s (0 B), 12,340 changes/s, retained WAL 300 MB",
			with(func(s *Status) {
				s.Phase, s.Apply.LagBytes, s.Apply.LagSeconds, s.Apply.ChangeRate = Following, 0, 0, 12340
			})},
		{"full", "following, lag 1.2 s (55.3 MB), 340 changes/s, retained WAL 300 MB, CHANGE LOG FULL",
			with(func(s *Status) { s.Phase, s.Log.Full = Following, true })},
		{"fenced", "fenced, lag 1.2 s (55.3 MB)", with(func(s *Status) { s.Phase = Fenced })},
		{"open", "open since 2026-11-22 19:30:01 UTC", with(func(s *Status) { s.Phase = Open })},
		{"linked", "copying 20.6/68.0 GB (30%), 2/4 tables, 85.0 MB/s, lag 1.2 s (55.3 MB), ETA 00:11:11, wire 11.7 MB/s (1:6.1)", linked()},
		{"cut", "copying 20.6/68.0 GB (30%), 2/4 tables, 85.0 MB/s, lag 1.2 s (55.3 MB), ETA 00:11:11, LINK DOWN for 1 min 0 s", cut()},
		{"failed", "failed: no?, no engine running",
			with(func(s *Status) { s.Phase, s.LastError, s.Running = Failed, "no\n", false })},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Line(tc.s); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestPercentIsHundredOnlyAtTheEnd(t *testing.T) {
	// What COPY gives may be far more or less than the tables' size on disk.
	s := Status{Copy: Copy{ChunksTotal: 1000, ChunksCopied: 999, BytesTotal: 1000, Bytes: 5000},
		Tables: []Table{{Chunks: 1000, Copied: 999, Size: 1000}}}
	if got := percent(s); got != 99 {
		t.Errorf("one chunk is missing: %d %%, want 99", got)
	}
	s.Copy.ChunksCopied, s.Copy.Bytes = 1000, 10
	if got := percent(s); got != 100 {
		t.Errorf("all chunks: %d %%, want 100", got)
	}
}

func TestUnits(t *testing.T) {
	for _, tc := range []struct{ got, want string }{
		{Size(0), "0 B"}, {Size(812), "812 B"}, {Size(999), "999 B"}, {Size(1000), "1.0 kB"}, {Size(1024), "1.0 kB"},
		{Size(99.94 * 1024), "99.9 kB"}, {Size(412 << 20), "412 MB"}, {Size(1023 << 20), "1.0 GB"}, {Size(5 << 50), "5.0 PB"}, {Size(5000 << 50), "5000 PB"},
		{sizes(12.3*gig, 67.9*gig), "12.3/67.9 GB"}, {sizes(100, 3*gig), "0.0/3.0 GB"}, {sizes(0, 0), "0/0 B"},
		{Count(0), "0"}, {Count(999), "999"}, {Count(1000), "1,000"}, {Count(-1234567), "-1,234,567"}, {Count(-123), "-123"},
		{Seconds(0), "0.0 s"}, {Seconds(9.94), "9.9 s"}, {Seconds(9.96), "10 s"}, {Seconds(59.6), "1 min 0 s"}, {Seconds(7260), "2 h 1 min"}, {Seconds(273600), "3 d 4 h"},
		{clock(-1), "unknown"}, {clock(0), "00:00:00"}, {clock(0.1), "00:00:01"}, {clock(3661), "01:01:01"}, {clock(90000), "1d 01:00:00"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}
