package cluster

import (
	"math"
	"strings"
	"testing"
)

// TestInMemory looks where servers are: in memory only with room, and never one that is to outlast a crash
// of the machine.
func TestInMemory(t *testing.T) {
	t.Parallel()
	if roomInMemory(math.MaxUint64) {
		t.Error("there is room for everything")
	}
	for _, tt := range []struct {
		cfg  Config
		want bool
	}{{Config{}, false}, {Config{InMemory: true, Durable: true}, false}, {Config{InMemory: true}, roomInMemory(memoryRoom)}} {
		if c := openAs(t, tt.cfg); strings.HasPrefix(c.Dir(), memoryDir+"/") != tt.want {
			t.Errorf("%+v is in %s", tt.cfg, c.Dir())
		}
	}
}
