package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts run this package's main as the program replicator.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"replicator": main})
}

// TestScripts runs the command lines in testdata/script and looks at exit codes and both outputs.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exit": exit,
			"keys": keys,
		},
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
	})
}

// exit CODE PROGRAM ARGS... runs a program that must end with that code.
func exit(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if neg || code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// keys FILE KEY... says that FILE is one JSON object with exactly these keys.
func keys(ts *testscript.TestScript, neg bool, args []string) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	var object map[string]json.RawMessage
	if err := d.Decode(&object); err != nil {
		ts.Fatalf("%s: %v", args[0], err)
	}
	if d.More() {
		ts.Fatalf("%s has more than one document", args[0])
	}
	for _, k := range args[1:] {
		if _, ok := object[k]; !ok {
			ts.Fatalf("no key %s", k)
		}
		delete(object, k)
	}
	for k := range object {
		ts.Fatalf("key %s is not expected", k)
	}
}

// TestEveryCommandHasHelp looks at the text of --help; that it is found is in the scripts.
func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range commands() {
		var b bytes.Buffer
		a := &app{stdout: &b, getenv: func(string) string { return "" }}
		if err := c.help(a); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		for _, want := range []string{"Usage: replicator " + c.name, "Flags:\n", "Examples:\n  replicator ", "--json", "--log-format", "-v, --verbose"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in its help", c.name, want)
			}
		}
		for line := range strings.Lines(text) {
			if len(line) > 110 {
				t.Errorf("%s: long line in its help: %s", c.name, line)
			}
		}
	}
}
