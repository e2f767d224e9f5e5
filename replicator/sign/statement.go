package sign

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"replicator/wal"
)

// Statement is what a signature says of its file. It holds no values.
type Statement struct {
	Job      string    `json:"job"`
	Outcome  string    `json:"outcome"`
	Time     time.Time `json:"time"`      // when the catch-up ended; whole seconds
	Fence    wal.LSN   `json:"fence_lsn"` // zero where there was none
	Operator string    `json:"operator"`
}

// prefix begins every statement and holds its version. A key may sign other things than reports; they
// do not pass for one.
const prefix = "replicator report v1 "

// mostWord bounds one word of a statement before it is escaped: minisign takes trusted comments of 8 KiB.
const mostWord = 512

// String is the trusted comment: one line of words, each a name and what it is, escaped as in a URL, so
// that no blank, line end or control character is in it.
func (s Statement) String() string {
	word := func(name, v string) string { return name + ":" + url.PathEscape(v[:min(len(v), mostWord)]) }
	return prefix + strings.Join([]string{
		word("job", s.Job), word("outcome", s.Outcome),
		"time:" + s.Time.UTC().Format(time.RFC3339), "fence:" + s.Fence.String(),
		word("operator", s.Operator),
	}, " ")
}

// errNoStatement says that a signature was made for something else.
var errNoStatement = errors.New("is signed, but not as a report of replicator")

// parseStatement reads a trusted comment. Words that it does not know may be added by later versions.
func parseStatement(comment string) (s Statement, err error) {
	words, ok := strings.CutPrefix(comment, prefix)
	if !ok {
		return s, errNoStatement
	}
	for word := range strings.SplitSeq(words, " ") {
		name, v, _ := strings.Cut(word, ":")
		if err := s.set(name, v); err != nil {
			return Statement{}, fmt.Errorf("%w: its %s cannot be read", errNoStatement, name)
		}
	}
	if s.Job == "" || s.Outcome == "" || s.Time.IsZero() {
		return Statement{}, errNoStatement
	}
	return s, nil
}

func (s *Statement) set(name, v string) (err error) {
	switch name {
	case "job":
		s.Job, err = url.PathUnescape(v)
	case "outcome":
		s.Outcome, err = url.PathUnescape(v)
	case "time":
		s.Time, err = time.Parse(time.RFC3339, v)
		s.Time = s.Time.UTC()
	case "fence":
		s.Fence, err = wal.ParseLSN(v)
	case "operator":
		s.Operator, err = url.PathUnescape(v)
	}
	return err
}
