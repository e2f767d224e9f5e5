package main

import (
	"testing"
	"time"

	"replicator/bench/smoke"
)

// TestActs leaves out the act that is long by intention, and gives each only once.
func TestActs(t *testing.T) {
	t.Parallel()
	a := &acts{}
	a.committed("admit", 3*time.Millisecond)
	a.committed(longAct, 3*time.Second)
	a.committed("bill", time.Millisecond)
	if got := a.take(); len(got) != 2 || got[0] != 3*time.Millisecond || got[1] != time.Millisecond {
		t.Errorf("%v", got)
	}
	if got := a.take(); len(got) != 0 {
		t.Errorf("given twice: %v", got)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o  options
		ok bool
	}{{options{rate: 1, follow: 1}, true}, {options{follow: 1}, false}, {options{rate: 1}, false}, {options{scale: -1, rate: 1, follow: 1}, false}} {
		if err := tt.o.validate(); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
}

// TestSmoke measures the wards of a small hospital while they are copied and followed.
func TestSmoke(t *testing.T) {
	t.Parallel()
	smoke.Run(t, func(args []string) error { return command().Run(t.Context(), args, t.Output(), t.Output()) },
		"--scale", "0", "--follow", "500ms", "--runs", "1", "--no-fsync", "--subject", "replicator")
}
