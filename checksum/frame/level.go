package frame

import (
	"fmt"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Level is how much work is spent on making a frame smaller. More is more work.
type Level uint8

// The levels. What zstd has above its default takes many times the CPU for a tenth.
const (
	Off Level = iota
	Fastest
	Default
)

var levels = [...]string{Off: "off", Fastest: "fastest", Default: "default"}

// String is the level as operators write it.
func (l Level) String() string {
	if int(l) < len(levels) {
		return levels[l]
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// ParseLevel reads what String writes.
func ParseLevel(s string) (Level, error) {
	i := slices.Index(levels[:], s)
	if i < 0 {
		return Off, fmt.Errorf("level %q: want off, fastest or default", s)
	}
	return Level(i), nil
}

// zstd is the library's name for l.
func (l Level) zstd() zstd.EOption {
	if l == Fastest {
		return zstd.WithEncoderLevel(zstd.SpeedFastest)
	}
	return zstd.WithEncoderLevel(zstd.SpeedDefault)
}
