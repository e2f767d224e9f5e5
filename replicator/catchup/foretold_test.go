package catchup

import (
	"bytes"
	"strings"
	"testing"

	"replicator/replicator/status"
)

// TestForetoldBesideWhatHappened: the time from the fence on counts, not the gates before it.
func TestForetoldBesideWhatHappened(t *testing.T) {
	r := NewReport("emr", false)
	r.Outcome = Opened
	r.Steps = []Step{{Name: "gates", Seconds: 40}, {Name: fenceStep, Seconds: 2}, {Name: "drain", Seconds: 3}, {Name: "open the target", Seconds: 1}}
	if r.Foretold = NewForetold(&status.Forecast{P50: 60}); r.Foretold != nil {
		t.Error("of a job that does not follow yet")
	}
	r.Foretold = NewForetold(&status.Forecast{P50: 600, P95: 700, Elapsed: 640, Followed: true, OpenP50: 5, OpenP95: 8})
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10 min 40 s; foretold 10 min 0 s, seldom more than 11 min 40 s", "6.0 s; foretold 5.0 s, seldom more than 8.0 s"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	r.Foretold = nil
	b.Reset()
	if err := r.WriteText(&b); err != nil || strings.Contains(b.String(), "foretold") {
		t.Errorf("without a forecast: %v\n%s", err, b.String())
	}
}
