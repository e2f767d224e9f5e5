package link

import (
	"testing"

	"replicator/checksum/frame"
)

// The four situations.
var (
	capped      = shares{chunks: 2, blocked: 0.9, held: 0.8, sealing: 0.05, writing: 0.2}
	linkFull    = shares{chunks: 2, blocked: 0.9, sealing: 0.05, writing: 0.2}
	targetSlow  = shares{chunks: 2, blocked: 0.9, sealing: 0.05, writing: 0.95}
	packingSlow = shares{chunks: 2, blocked: 0.05, sealing: 0.8, writing: 0.2}
	sourceSlow  = shares{chunks: 2, blocked: 0.05, sealing: 0.1, writing: 0.2}
)

func TestBottleneckIsNamed(t *testing.T) {
	for want, s := range map[bottleneck]shares{
		idle: {}, theCap: capped, theLink: linkFull, theTarget: targetSlow, compression: packingSlow, theSource: sourceSlow,
	} {
		if got := judge(s); got != want {
			t.Errorf("%+v: %s, want %s", s, got, want)
		}
	}
}

func TestBottleneckOfChangesIsNamed(t *testing.T) {
	for want, s := range map[bottleneck]shares{unhindered: {blocked: 0.1}, theCap: {blocked: 0.9, held: 0.8}, theTargetOrLink: {blocked: 0.9}} {
		if got := judgeChanges(s.blocked, s.held); got != want {
			t.Errorf("%+v: %s, want %s", s, got, want)
		}
	}
}

// run looks n times and returns the level.
func run(c *chooser, s shares, n int) (level frame.Level) {
	for range n {
		_, level = c.look(s)
	}
	return level
}

func TestLevelFollowsTheBottleneck(t *testing.T) {
	c := newChooser(Auto)
	if got := run(&c, linkFull, 100); got != frame.Default {
		t.Errorf("a full link: level %s", got)
	}
	if got := run(&c, packingSlow, 2*downAfter); got != frame.Off {
		t.Errorf("a busy processor: level %s", got)
	}
	if got := run(&c, sourceSlow, 100); got != frame.Off {
		t.Errorf("a slow source: level %s, want it left alone", got)
	}
	if got := run(&c, linkFull, 2*upAfter); got != frame.Default {
		t.Errorf("a link that fills up: level %s", got)
	}
	if got := run(&c, targetSlow, 1000); got != frame.Off {
		t.Errorf("a slow target: level %s", got)
	}
}

// TestLevelDoesNotSwing lets every step down turn out wrong at once: attempts get rare.
func TestLevelDoesNotSwing(t *testing.T) {
	c := newChooser(Auto)
	changes, last := 0, frame.Default
	for range 3600 {
		s := linkFull
		if last == frame.Default {
			s = packingSlow // at this level the processor is the limit, below it the link is
		}
		_, level := c.look(s)
		if level != last {
			changes++
		}
		last = level
	}
	if changes > 60 {
		t.Errorf("%d changes of level in an hour", changes)
	}
}

func TestFixedLevelStays(t *testing.T) {
	for flag, want := range map[Compress]frame.Level{Off: frame.Off, Fastest: frame.Fastest, Balanced: frame.Default} {
		c := newChooser(flag)
		for _, s := range []shares{linkFull, targetSlow, packingSlow} {
			if got := run(&c, s, 50); got != want {
				t.Errorf("--compress %s: level %s", flag, got)
			}
		}
	}
}
