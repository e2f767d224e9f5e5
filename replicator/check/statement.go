package check

import (
	"context"

	"replicator/replicator/ddl"
	"replicator/replicator/fault"
)

// statements looks for the event triggers that seed --ddl=replicate needs.
func (r *run) statements(ctx context.Context) error {
	if r.o.DDL != "replicate" {
		return nil
	}
	err := ddl.Standing(ctx, r.src.conn)
	if fault.CodeOf(err) == fault.Preflight {
		r.add(Finding{ID: "statements", Level: Must, Side: Source, Subject: "event triggers", Text: err.Error(), Hint: fault.HintOf(err)})
		return nil
	}
	if err == nil {
		r.ok("statements", Source, "event triggers", "statements are told of by event triggers")
	}
	return err
}

// statementParts makes the event triggers, and says how they go again.
func (s *script) statementParts() {
	s.part("Event triggers for seed --ddl=replicate. They write what a statement has made of a table into the WAL, and never\n" +
		"fail a statement. When the job is over:")
	s.comment(withSemicolons(ddl.Remove())...)
	s.b.WriteString(ddl.Install())
}

func withSemicolons(list []string) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i] + ";"
	}
	return out
}
