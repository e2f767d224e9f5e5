package replicator_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"replicator/bench/cluster"
	"replicator/bench/proxy"
	"replicator/replicator"
	"replicator/replicator/apply"
	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/source"
)

// progressMessage is the kind of a message that tells how far the target is.
const progressMessage = 35

// losing breaks a connection, once, instead of telling the first progress that is meant: the target has committed, and
// the source's end does not hear of it.
func losing(t *testing.T, meant func(apply.Progress) bool) *tamperer {
	return &tamperer{change: func(tam *tamperer, c *tampered, m []byte) [][]byte {
		if m[4] != progressMessage || tam.done.Load() > 0 {
			return [][]byte{m}
		}
		var p apply.Progress
		if m[5]&packedBody != 0 {
			t.Error("progress is packed") // whoever makes it that long has to unpack it here
		} else if err := json.Unmarshal(m[headerBytes:], &p); err != nil {
			t.Error(err)
		}
		if !meant(p) {
			return [][]byte{m}
		}
		tam.done.Add(1)
		c.Close()
		return nil
	}}
}

// TestLostMarker loses the word that the target has passed the marker that a catch-up waits for.
func TestLostMarker(t *testing.T) {
	for _, name := range []string{"fence", "proof"} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
			p.exec(p.source, hammerSchema+hammerRows(300))
			tam := losing(t, func(p apply.Progress) bool { return tells(p, name) })
			in := p.within(tam, proxy.Line{})
			p.exec(p.source, "UPDATE h.bed SET id = -id")
			p.mustCatchup()
			in.mustEnd()
			p.compare()
			if tam.done.Load() != 1 {
				t.Error("nothing was lost")
			}
		})
	}
}

// tells reports whether a progress tells of a marker of that name.
func tells(p apply.Progress, name string) bool {
	for content := range p.Markers {
		if strings.HasPrefix(content, name+" ") {
			return true
		}
	}
	return false
}

// TestLostStranger loses the word of a transaction that somebody wrote behind the fence: it is found all the same.
func TestLostStranger(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, "CREATE TABLE visit (id int PRIMARY KEY); INSERT INTO visit VALUES (1)")
	tam := losing(t, func(p apply.Progress) bool { return tells(p, "fence") && p.TransactionsSinceMarker > 0 })
	p.o.Hook = func(point string) {
		if point != "engine: before finish" || tam.done.Load() > 0 {
			return
		}
		p.exec(p.source, "INSERT INTO visit VALUES (2)")
		for tam.done.Load() == 0 && t.Context().Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
	}
	in := p.within(tam, proxy.Line{})
	if report, err := p.catchup(replicator.CatchupOptions{Fence: source.FenceOperator}); fault.CodeOf(err) != fault.Preflight || report.Outcome != catchup.Failed {
		t.Errorf("a catch-up with a stranger behind the fence: code %d, %v", fault.CodeOf(err), err)
	}
	if report, err := p.catchup(replicator.CatchupOptions{Fence: source.FenceOperator}); err != nil || report.Outcome != catchup.Opened {
		t.Errorf("the next catch-up: %v", err)
	}
	in.mustEnd()
	p.compare()
}

// TestLostStatement loses the word of statements that the target has carried, and of the windows around them.
func TestLostStatement(t *testing.T) {
	p := carrying(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}), carriedSchema)
	tam := losing(t, func(p apply.Progress) bool { return len(p.Carried) > 0 })
	in := p.within(tam, proxy.Line{})
	for _, s := range carriedStatements {
		p.exec(p.source, "UPDATE h.patient SET name = name || '.' WHERE id % 7 = 3")
		p.exec(p.source, s)
	}
	p.mustCatchup()
	in.mustEnd()
	p.compare()
	if err := replicator.Cleanup(t.Context(), replicator.CleanupOptions{Dir: p.o.Dir, Link: p.o.Link}); err != nil {
		t.Fatal(err)
	}
	p.compareSchema()
	if tam.done.Load() != 1 {
		t.Error("nothing was lost")
	}
}
