package check

import (
	"context"
	"fmt"

	"replicator/replicator/fault"
	"replicator/replicator/schema"
)

// tools: the schema moves through pg_dump, which refuses servers newer than itself.
func (r *run) tools(ctx context.Context) error {
	tools, err := schema.FindTools(ctx, r.o.PgDump, r.src.major())
	if fault.CodeOf(err) == fault.Preflight {
		r.add(Finding{ID: "pg-dump", Level: Must, Side: Here, Subject: "pg_dump", Text: err.Error(), Hint: fault.HintOf(err)})
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for pg_dump: %w", err)
	}
	r.ok("pg-dump", Here, "pg_dump", "version %d reads the source", tools.Major)
	return nil
}
