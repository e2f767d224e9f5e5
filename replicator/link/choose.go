package link

import (
	"fmt"

	"replicator/checksum/frame"
)

// Compress says how rows are compressed on their way.
type Compress string

// The ways: Auto measures what holds the copy up and chooses among the others while it runs.
const (
	Auto     Compress = "auto"
	Off      Compress = "off"
	Fastest  Compress = "fastest"
	Balanced Compress = "default"
)

// ParseCompress reads a flag's value; "" is Auto.
func ParseCompress(s string) (Compress, error) {
	switch c := Compress(s); c {
	case "":
		return Auto, nil
	case Auto, Off, Fastest, Balanced:
		return c, nil
	}
	return "", fmt.Errorf("--compress takes one of auto, off, fastest, default")
}

// bottleneck is what holds the copy up, in words for people.
type bottleneck string

const (
	idle       bottleneck = "nothing: no rows are on their way"
	unhindered bottleneck = "nothing"
	// Apply reads no faster than it applies, so the two look alike from here.
	theTargetOrLink bottleneck = "the target, which applies changes, or the link"
	theCap          bottleneck = "the cap of --max-rate"
	theLink         bottleneck = "the link: it is full"
	theTarget       bottleneck = "the target: it takes rows no faster"
	compression     bottleneck = "the source end's processor, which compresses"
	theSource       bottleneck = "the source: it gives rows no faster"
)

// shares are parts of the time that chunks were under way, 0 to 1, within the last second.
type shares struct {
	chunks  int64
	blocked float64 // the source end waited for the wire to take bytes
	held    float64 // of that, for --max-rate
	sealing float64 // the source end compressed
	writing float64 // the target end unpacked and wrote, the rest it waited for bytes
}

// chooser chooses the level by what holds the copy up. It is a pure state machine: one look a second.
type chooser struct {
	fixed  bool
	level  frame.Level
	streak int // looks in a row that want another level in the same direction, signed
	hold   int // looks during which the level stays although it is to go down
	wait   int // how long the next hold is
}

// A level goes up after upAfter looks and down after downAfter. When going down turned out wrong, the
// next attempt waits twice as long, up to mostHold looks: what is tried again and again disturbs.
const (
	upAfter   = 2
	downAfter = 3
	firstHold = 15
	mostHold  = 240
)

func newChooser(c Compress) chooser {
	switch c {
	case Off:
		return chooser{fixed: true, level: frame.Off}
	case Fastest:
		return chooser{fixed: true, level: frame.Fastest}
	case Balanced:
		return chooser{fixed: true, level: frame.Default}
	}
	return chooser{level: frame.Default, wait: firstHold}
}

// judge says what holds the copy up.
func judge(s shares) bottleneck {
	switch {
	case s.chunks == 0:
		return idle
	case s.blocked > 0.4 && s.writing > 0.7:
		return theTarget
	case s.blocked > 0.4 && s.held > s.blocked/2:
		return theCap
	case s.blocked > 0.4:
		return theLink
	case s.sealing > 0.4:
		return compression
	}
	return theSource
}

// judgeChanges says what holds changes up while no rows are copied, by the time that the wire or the
// cap took.
func judgeChanges(blocked, held float64) bottleneck {
	switch {
	case blocked > 0.4 && held > blocked/2:
		return theCap
	case blocked > 0.4:
		return theTargetOrLink
	}
	return unhindered
}

// look takes in a second's shares and returns the bottleneck and the level from now on.
func (c *chooser) look(s shares) (bottleneck, frame.Level) {
	b := judge(s)
	if c.fixed {
		return b, c.level
	}
	if c.hold > 0 {
		c.hold--
	}
	switch b {
	case theLink, theCap:
		c.streak = max(c.streak, 0) + 1
	case compression, theTarget:
		c.streak = min(c.streak, 0) - 1
	default:
		c.streak = 0
	}
	switch {
	case c.streak >= upAfter && c.level < frame.Default:
		c.level++
		c.streak, c.hold = 0, c.wait // going down was wrong, or the link has become slower
		c.wait = min(2*c.wait, mostHold)
	case c.streak <= -downAfter && c.level > frame.Off && c.hold == 0:
		c.level--
		c.streak = 0
	}
	return b, c.level
}
