package status

import (
	"errors"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	preparing := Status{Version: Version, At: evening, Since: evening, Job: "emr", Running: true, PID: 1, Phase: Preparing,
		Waiting: "2 transactions that were running when the slot was made"}
	for name, tc := range map[string]struct {
		s   Status
		tty bool
	}{
		"preparing.txt": {preparing, false},
		"copying.txt":   {copying(), false},
		"terminal.txt":  {copying(), true},
		"failed.txt":    {troubled(), false},
		"many.txt":      {many(), false},
		"linked.txt":    {linked(), false},
		"cut.txt":       {cut(), false},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := Text(&b, tc.s, tc.tty); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.String())
		})
	}
}

func TestTextNamesCannotSteerTheTerminal(t *testing.T) {
	var b strings.Builder
	if err := Text(&b, copying(), false); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(b.String(), '\x1b') {
		t.Errorf("escape character in %q", b.String())
	}
}

type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestTextTellsWriteErrors(t *testing.T) {
	if err := Text(brokenPipe{}, copying(), false); !errors.Is(err, errPipe) {
		t.Errorf("error %v, want %v", err, errPipe)
	}
}

func TestShownCountsEveryTable(t *testing.T) {
	all := many().Tables
	list, rest := shown(all)
	if len(list) != mostTables || len(list)+rest.total() != len(all) {
		t.Errorf("%d listed, %d counted, want %d together and %d listed", len(list), rest.total(), len(all), mostTables)
	}
	if want := (others{complete: 36, indexing: 35, busy: 12, waiting: 900}); rest != want {
		t.Errorf("others %+v, want %+v", rest, want)
	}
}
