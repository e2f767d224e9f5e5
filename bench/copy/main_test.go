package main

import (
	"testing"

	"replicator/bench/smoke"
)

func TestChosen(t *testing.T) {
	t.Parallel()
	all := []subject{ours(), dump(), native("native, indexes after", false), raw()}
	for word, want := range map[string]int{"": 4, "pg_dump": 1, "native": 1, "r": 4, "no such": 0} {
		o := &options{}
		if word != "" {
			o.subjects = []string{word}
		}
		if got := o.chosen(all); len(got) != want {
			t.Errorf("%q chose %d subjects", word, len(got))
		}
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		o  options
		ok bool
	}{{options{tables: 1, many: 1}, true}, {options{scale: -1, tables: 1, many: 1}, false}, {options{many: 1}, false}} {
		if err := tt.o.validate(); (err == nil) != tt.ok {
			t.Errorf("%+v: %v", tt.o, err)
		}
	}
}

func TestOwnPeak(t *testing.T) {
	t.Parallel()
	if n, err := ownPeak(); err != nil || n < 1<<20 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestSmoke copies the smallest clinical database once, and holds the copy against its source.
func TestSmoke(t *testing.T) {
	t.Parallel()
	smoke.Run(t, func(args []string) error { return command().Run(t.Context(), args, t.Output(), t.Output()) },
		"--scenario", "clinical", "--scale", "0", "--runs", "1", "--no-fsync", "--subject", "replicator")
}
