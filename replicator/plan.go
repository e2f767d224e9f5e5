package replicator

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"replicator/chunker"
	"replicator/replicator/fault"
	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/replicator/source"
	"replicator/replicator/status"
)

// plan loads the plan or makes it. It is written whole before the first row moves, and
// changed by a resync alone, table by table.
func (j *job) plan(ctx context.Context) error {
	tables, chunks, err := j.store.LoadPlan()
	if err != nil {
		return err
	}
	if tables == nil {
		if tables, chunks, err = j.makePlan(ctx); err != nil {
			return err
		}
		if err := j.store.SavePlan(tables, chunks); err != nil {
			return err
		}
		j.o.Hook("engine: plan saved")
	}
	j.nowPlan.Store(&tables)
	j.tables, j.chunks = slices.Clip(tables), chunks
	j.received = make([][]bool, len(tables))
	for i := range tables {
		j.received[i] = make([]bool, len(chunks[i]))
	}
	showPlan(j.tracker, tables, chunks)
	return nil
}

func (j *job) makePlan(ctx context.Context) ([]chunker.Table, [][]chunker.Chunk, error) {
	conn, err := j.source.Connect(ctx, "plan")
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	tables, err := schema.Tables(ctx, conn, j.rec.Select)
	if err != nil {
		return nil, nil, fault.New(fault.Source, fmt.Errorf("read the source's catalog: %w", err), "")
	}
	if len(tables) == 0 {
		return nil, nil, fault.New(fault.Preflight, fmt.Errorf("no table of the source is selected"), "look at --tables and --schema")
	}
	if j.rec.NoKey == "full" {
		if err := identifyFully(ctx, conn, tables); err != nil {
			return nil, nil, err
		}
	}
	if err := j.waitForIndexes(ctx, conn, tables); err != nil {
		return nil, nil, err
	}
	if err := order(ctx, conn, tables, j.o.Priority); err != nil {
		return nil, nil, err
	}
	chunks, err := j.cut(ctx, tables)
	return tables, chunks, err
}

// waitForIndexes makes late tables of those that name indexes: the target has no such names yet.
func (j *job) waitForIndexes(ctx context.Context, conn *pg.Conn, tables []chunker.Table) error {
	naming, err := schema.NamingIndexes(ctx, conn, tables, (*chunker.Table).Late)
	if err != nil {
		return fault.New(fault.Source, err, "")
	}
	for i := range tables {
		if t := &tables[i]; naming[t.OID] {
			j.log.Info("a table names indexes, which are built after the rows: it is copied at the fence", "table", t.String())
			t.Identity = chunker.IdentityNone
		}
	}
	return nil
}

// identifyFully gives tables without a key REPLICA IDENTITY FULL, so that their changes can be published.
func identifyFully(ctx context.Context, conn *pg.Conn, tables []chunker.Table) error {
	for i := range tables {
		t := &tables[i]
		if !t.MayBeFull() {
			continue
		}
		sql := fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL", t.Qualified())
		err := conn.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d; %s", source.LockTimeout.Milliseconds(), sql))
		if pg.Transient(err) {
			return err
		}
		if err != nil {
			return fault.New(fault.Preflight, fmt.Errorf("give %s a full replica identity: %w", t, err),
				"let its owner run: "+sql+"; or use --no-key late")
		}
		t.Identity = chunker.IdentityFull
	}
	return nil
}

// order sorts tables of priority groups first, largest tables first within each, and numbers them.
func order(ctx context.Context, conn *pg.Conn, tables []chunker.Table, priority []string) error {
	group, err := schema.Matching(ctx, conn, tables, priority)
	if err != nil {
		return fault.New(fault.Usage, fmt.Errorf("--priority: %w", err), "patterns are those of pg_dump --table")
	}
	byOID := make(map[uint32]int, len(tables))
	for i := range tables {
		byOID[tables[i].OID] = group[i]
	}
	slices.SortStableFunc(tables, func(a, b chunker.Table) int {
		return cmp.Or(cmp.Compare(byOID[a.OID], byOID[b.OID]), cmp.Compare(b.Bytes, a.Bytes))
	})
	for i := range tables {
		tables[i].Ordinal = i
	}
	return nil
}

// cut makes the chunks of all tables; sampling the keys of the large ones takes a query each.
func (j *job) cut(ctx context.Context, tables []chunker.Table) ([][]chunker.Chunk, error) {
	lim := chunker.Limits{Bytes: j.rec.ChunkBytes, Text: textStream(tables)}
	chunks := make([][]chunker.Chunk, len(tables))
	g, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	g.Go(func() error {
		defer close(next)
		for i := range tables {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range j.o.Jobs {
		g.Go(func() error {
			conn, err := j.source.Connect(ctx, "plan")
			if err != nil {
				return err
			}
			defer conn.Close()
			for i := range next {
				if chunks[i], err = chunker.Cut(ctx, conn, &tables[i], lim); err != nil {
					return fault.New(fault.Source, err, "")
				}
			}
			return nil
		})
	}
	return chunks, g.Wait()
}

// textStream reports whether the change stream must carry text: a published table has a column that
// the binary protocol cannot carry, and that is not simply an OID, which naming spells.
func textStream(tables []chunker.Table) bool {
	return slices.ContainsFunc(tables, func(t chunker.Table) bool { return t.Text && !t.Named && !t.Late() })
}

// showPlan tells status what there is to do.
func showPlan(tracker *status.Tracker, tables []chunker.Table, chunks [][]chunker.Chunk) {
	tracker.Update(func(s *status.Status) {
		s.Tables = make([]status.Table, len(tables))
		for i := range tables {
			t := &tables[i]
			row := status.Table{Name: t.String(), Size: t.Bytes, Chunks: len(chunks[i]), Kind: string(chunks[i][0].Kind)}
			if t.Gone {
				row.Kind = status.Late
			} else if t.Late() {
				row.Kind = status.Late
				s.Late = append(s.Late, t.String())
			} else {
				s.Copy.TablesTotal++
				s.Copy.ChunksTotal += row.Chunks
				s.Copy.BytesTotal += t.Bytes
			}
			s.Tables[i] = row
		}
	})
}
