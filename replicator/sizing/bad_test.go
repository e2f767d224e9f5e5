package sizing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/schema"
)

// refused runs a part that must fail with a code and say something, and leave the target as it is.
func refused(t *testing.T, part Part, o Options, code fault.Code, word string) {
	t.Helper()
	began := time.Now()
	_, err := Run(t.Context(), part, o)
	if fault.CodeOf(err) != code || err == nil || !strings.Contains(err.Error()+" "+fault.HintOf(err), word) {
		t.Errorf("%s: code %d, want %d with %q: %v", part, fault.CodeOf(err), code, word, err)
	}
	if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), canary)) {
		t.Errorf("%s: not one line of names alone: %q", part, err)
	}
	if took := time.Since(began); took > 5*time.Minute {
		t.Errorf("%s: hung for %s", part, took)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	o := pair(t, ddl, "ANALYZE",
		"CREATE ROLE sizing_nobody LOGIN; CREATE ROLE sizing_reader LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO sizing_reader")
	on(t, o.Target, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
	o.Duration = 5 * time.Second
	source, target := objects(t, o.Source), objects(t, o.Target)
	with := func(change func(*Options)) Options {
		c := o
		change(&c)
		return c
	}
	as := func(role, dsn string) string { return strings.Replace(dsn, "postgres@", role+"@", 1) }
	if as("x", o.Source) == o.Source {
		t.Fatalf("the test does not know how to change the role in %s", o.Source)
	}

	refused(t, AllParts, Options{}, fault.Usage, "--source")
	refused(t, PathPart, with(func(o *Options) { o.Target = "" }), fault.Usage, "--target")
	refused(t, NetworkPart, o, fault.Usage, "--target-host")
	refused(t, SourcePart, with(func(o *Options) { o.Duration = time.Millisecond }), fault.Usage, "--duration")
	refused(t, SourcePart, with(func(o *Options) { o.Source = "host=127.0.0.1 port=1 user=x dbname=x" }), fault.Source, "address")
	refused(t, TargetPart, with(func(o *Options) { o.Target = "host=127.0.0.1 port=1 user=x dbname=x" }), fault.Target, "address")
	refused(t, SourcePart, with(func(o *Options) { o.Select = schema.Selection{Tables: []string{"nothing_like_it"}} }), fault.Usage, "nothing matches")
	refused(t, SourcePart, with(func(o *Options) { o.Source = as("sizing_nobody", o.Source) }), fault.Source, "SELECT")
	refused(t, TargetPart, with(func(o *Options) { o.Target = as("sizing_nobody", o.Target) }), fault.Target, "CREATE")
	refused(t, AllParts, with(func(o *Options) { o.Target = o.Source }), fault.Preflight, "the same database")
	// Known before the source is watched for a day.
	refused(t, AllParts, with(func(o *Options) { o.Target, o.Watch = as("sizing_nobody", o.Target), 24*time.Hour }), fault.Target, "CREATE")
	unchanged(t, o.Target, target)
	unchanged(t, o.Source, source)

	// A role that may only read is all that the source needs.
	if _, err := Run(t.Context(), SourcePart, with(func(o *Options) { o.Source = as("sizing_reader", o.Source) })); err != nil {
		t.Errorf("a reader: %v", err)
	}
}

// TestSchemaOfSomebodyElse: a schema of our name that we did not make is not touched.
func TestSchemaOfSomebodyElse(t *testing.T) {
	t.Parallel()
	o := pair(t, "CREATE TABLE t (id int PRIMARY KEY)")
	on(t, o.Target, "CREATE SCHEMA replicator_bench; CREATE TABLE replicator_bench.precious (v int)")
	target := objects(t, o.Target)
	refused(t, TargetPart, o, fault.Preflight, "not ours")
	if err := Cleanup(t.Context(), o); fault.CodeOf(err) != fault.Preflight {
		t.Errorf("cleanup: %v", err)
	}
	if after := objects(t, o.Target); !slices.Equal(after, target) {
		t.Errorf("of %v there are %v left", target, after)
	}

	// Nor is one of the name of the job's, in which no job has ever been.
	var err error
	if o.Target, err = server.CreateDatabase(t.Context(), "somebody_elses"); err != nil {
		t.Fatal(err)
	}
	on(t, o.Target, "CREATE SCHEMA replicator; CREATE TABLE replicator.precious (v int)")
	target = objects(t, o.Target)
	refused(t, TargetPart, o, fault.Preflight, "somebody else")
	if after := objects(t, o.Target); !slices.Equal(after, target) {
		t.Errorf("of %v there are %v left", target, after)
	}
}

// TestNothingToMeasure: tables without rows or statistics give a smaller answer, no error and no NaN.
func TestNothingToMeasure(t *testing.T) {
	t.Parallel()
	o := pair(t, "CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (v int); CREATE TABLE nothing ()")
	o.Duration = 5 * time.Second
	target := objects(t, o.Target)
	r, err := Run(t.Context(), AllParts, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Source.NoStats) != 3 {
		t.Errorf("without statistics: %q", r.Source.NoStats)
	}
	if f := r.Forecast; f == nil || f.Bytes > 10_000 || f.Seed.Total <= 0 || f.Seed.Total > 60 {
		t.Errorf("forecast: %+v", r.Forecast)
	}
	told(t, r)
	unchanged(t, o.Target, target)
}

// TestOneAtATime: a second measurement in the same target says so and harms the first in nothing.
func TestOneAtATime(t *testing.T) {
	t.Parallel()
	o := pair(t, "CREATE TABLE a (id int PRIMARY KEY, v text)")
	first, err := o.openValid(t)
	if err != nil {
		t.Fatal(err)
	}
	refusedSoon := make(chan error, 1)
	go func() {
		_, err := Run(t.Context(), TargetPart, o)
		refusedSoon <- err
	}()
	err = <-refusedSoon
	if fault.CodeOf(err) != fault.Fenced || !strings.Contains(err.Error(), "another replicator bench") {
		t.Errorf("second: %v", err)
	}
	if _, err := first.sql(t.Context(), "CREATE TABLE replicator_bench.still_ours (v int)"); err != nil {
		t.Errorf("first: %v", err)
	}
	if err := first.close(t.Context()); err != nil {
		t.Error(err)
	}
}

func (o Options) openValid(t *testing.T) (*scratch, error) {
	t.Helper()
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	return o.openScratch(t.Context(), "")
}
