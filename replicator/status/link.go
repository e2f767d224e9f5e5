package status

import "time"

// Link is the way to a target end at another site; it is missing where the target end is in the same
// process. Rates and ratio are of the last second, sums since the engine started.
type Link struct {
	Peer        string    `json:"peer"` // host:port of replicator serve
	Connected   bool      `json:"connected"`
	Since       time.Time `json:"since,omitzero"`       // when it came up, or went down
	Connections int64     `json:"connections"`          // how often it came up
	LastError   string    `json:"last_error,omitempty"` // why it is down
	RoundTrip   float64   `json:"round_trip_seconds"`
	Streams     int       `json:"streams"`
	MaxRate     int64     `json:"max_rate_bytes_per_second"` // 0: no cap now

	Level      string  `json:"level"` // zstd: off, fastest, default
	RawBytes   int64   `json:"raw_bytes"`
	WireBytes  int64   `json:"wire_bytes"` // with everything but TCP/IP's own headers
	RawRate    float64 `json:"raw_bytes_per_second"`
	WireRate   float64 `json:"wire_bytes_per_second"`
	Ratio      float64 `json:"ratio"`      // rows to frames; 0: nothing was sent
	Resent     int64   `json:"resent"`     // frames sent again
	Damaged    int64   `json:"damaged"`    // frames that did not arrive as they were sent
	Bottleneck string  `json:"bottleneck"` // what holds the copy up now, in words

	CertificateEnds    time.Time `json:"certificate_ends,omitzero"`     // of the target end's
	OwnCertificateEnds time.Time `json:"own_certificate_ends,omitzero"` // of the source end's
}
