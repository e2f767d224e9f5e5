package status

import (
	"fmt"
	"strings"
	"time"
)

// Stranger is who else was seen on the target: sessions of one kind, role and application, or prepared
// transactions. The engine looks every few seconds; a transaction that came and went in between was
// not seen, so that zero Writing is no proof that nobody wrote: a verification is.
type Stranger struct {
	Application string    `json:"application"`
	Role        string    `json:"role"`
	Kind        string    `json:"kind"` // as in pg_stat_activity
	First       time.Time `json:"first_seen"`
	Last        time.Time `json:"last_seen"`
	Sessions    int       `json:"sessions"`              // at the last look; 0: they have gone
	Since       time.Time `json:"since,omitzero"`        // when the oldest of them began
	Unguarded   int       `json:"unguarded"`             // of them, those that are not read-only by default
	Looks       int64     `json:"looks"`                 // at which they were there
	Writing     int64     `json:"writing"`               // looks at which a transaction of theirs was writing
	Wrote       time.Time `json:"last_writing,omitzero"` // the last of these
}

// Name is who it is.
func (s *Stranger) Name() string {
	name := s.Application
	if name == "" {
		name = "a " + s.Kind
	}
	return fmt.Sprintf("%s of role %s", Printable(name), Printable(s.Role))
}

// String tells the stranger in a line.
func (s *Stranger) String() string {
	var parts []string
	switch {
	case s.Sessions == 0:
		parts = append(parts, "gone, last seen "+Time(s.Last))
	case s.Unguarded == s.Sessions:
		parts = append(parts, plural(s.Sessions, "session", "sessions")+" that may write")
	case s.Unguarded > 0:
		parts = append(parts, fmt.Sprintf("%s, %d that may write", plural(s.Sessions, "session", "sessions"), s.Unguarded))
	default:
		parts = append(parts, plural(s.Sessions, "session", "sessions")+", read-only by default")
	}
	if s.Writing > 0 {
		parts = append(parts, fmt.Sprintf("WRITING at %s of %s looks, last %s", Count(s.Writing), Count(s.Looks), Time(s.Wrote)))
	}
	return s.Name() + ": " + strings.Join(parts, "; ")
}
