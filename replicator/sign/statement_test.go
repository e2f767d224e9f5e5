package sign

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestStatementReadsBack(t *testing.T) {
	for name, s := range map[string]Statement{
		"golden":      stated,
		"no fence":    {Job: "emr", Outcome: "rehearsed", Time: stated.Time, Operator: "dba@emr-1"},
		"no operator": {Job: "emr", Outcome: "failed", Time: stated.Time},
		"odd":         {Job: "a b:c%20\n\x1b[2J", Outcome: "open", Time: stated.Time, Operator: "KLINIK\\Ärztin job:other outcome:failed\r\n\x00@host"},
	} {
		t.Run(name, func(t *testing.T) {
			line := s.String()
			if strings.ContainsFunc(strings.TrimPrefix(line, prefix), func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%q is not plain text", line)
			}
			if got, err := parseStatement(line); err != nil || got != s {
				t.Errorf("%+v, error %v, want %+v", got, err, s)
			}
		})
	}
}

// TestStatementIsBounded: minisign refuses trusted comments of 8 KiB.
func TestStatementIsBounded(t *testing.T) {
	long := strings.Repeat("\x00", 1<<20)
	line := Statement{Job: long, Outcome: long, Time: time.Now(), Operator: long}.String()
	if len(line) > 8000 {
		t.Errorf("%d bytes", len(line))
	}
	if _, err := parseStatement(line); err != nil {
		t.Error(err)
	}
}

func TestStatementOfSomethingElse(t *testing.T) {
	good := stated.String()
	for _, line := range []string{
		"", "timestamp:1790000000\tfile:report.json\thashed", strings.TrimPrefix(good, prefix), "x" + good,
		strings.Replace(good, " v1 ", " v2 ", 1), prefix, prefix + "job:emr outcome:open",
		strings.Replace(good, "job:emr", "job:", 1), strings.Replace(good, "2026-", "", 1),
		strings.Replace(good, "fence:16/", "fence:", 1), strings.Replace(good, "%20", "%2", 1),
	} {
		if s, err := parseStatement(line); !errors.Is(err, errNoStatement) || s != (Statement{}) {
			t.Errorf("%q: %+v, error %v", line, s, err)
		}
	}
	if s, err := parseStatement(good + " site:north"); err != nil || s != stated {
		t.Errorf("with a word of a later version: %+v, error %v", s, err)
	}
}

func FuzzParseStatement(f *testing.F) {
	f.Add(stated.String())
	f.Add(prefix + "job:emr outcome:open time:2026-11-22T19:03:12Z fence:0/0 operator:%00")
	f.Fuzz(func(t *testing.T, line string) {
		s, err := parseStatement(line)
		if err != nil || len(s.Job) > mostWord || len(s.Outcome) > mostWord || len(s.Operator) > mostWord {
			return
		}
		if back, err := parseStatement(s.String()); err != nil || back != s {
			t.Errorf("%q is %+v, and then %+v, error %v", line, s, back, err)
		}
	})
}
