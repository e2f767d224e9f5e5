package check

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"replicator/replicator/pg"
)

// transactions: making a slot waits for every transaction that has an id, in any database of the
// server. A forgotten prepared transaction never ends by itself.
func (r *run) transactions(ctx context.Context) error {
	if err := r.prepared(ctx); err != nil {
		return err
	}
	rows, err := r.src.query(ctx, `SELECT pid, COALESCE(usename, ''), COALESCE(application_name, ''), extract(epoch FROM now() - xact_start)::bigint
		FROM pg_stat_activity
		WHERE xact_start < now() - make_interval(secs => $1::float8) AND backend_type = 'client backend' AND pid <> pg_backend_pid()
			AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
		ORDER BY xact_start`, seconds(r.o.LongTransaction))
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		r.ok("long-transactions", Source, "long transactions", "none is older than %s", r.o.LongTransaction)
		return nil
	}
	f := Finding{ID: "long-transactions", Level: Note, Side: Source, Subject: "long transactions"}
	for _, row := range rows {
		f.Names = append(f.Names, fmt.Sprintf("pid %s (role %s, %s, for %s)", row[0], row[1], row[2], time.Duration(bigNumber(row[3]))*time.Second))
	}
	f.Text = fmt.Sprintf("seed waits for these to end before it makes the slot: %s", few(f.Names))
	f.SQL = each(column(rows, 0), func(pid string) string { return "SELECT pg_terminate_backend(" + pid + ")" })
	f.Hint = "let them end by themselves, or end them"
	r.add(f)
	return nil
}

func (r *run) prepared(ctx context.Context) error {
	rows, err := r.src.query(ctx, `SELECT gid, database, owner, extract(epoch FROM now() - prepared)::bigint FROM pg_prepared_xacts
		WHERE prepared < now() - make_interval(secs => $1::float8) ORDER BY prepared`, seconds(r.o.LongTransaction))
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		r.ok("prepared", Source, "prepared transactions", "none is older than %s", r.o.LongTransaction)
		return nil
	}
	f := Finding{ID: "prepared", Level: Must, Side: Source, Subject: "prepared transactions"}
	var sql []string
	for _, row := range rows {
		f.Names = append(f.Names, fmt.Sprintf("%s (database %s, role %s, for %s)", row[0], row[1], row[2], time.Duration(bigNumber(row[3]))*time.Second))
		sql = append(sql, fmt.Sprintf("-- in database %s, as %s or a superuser; or ROLLBACK PREPARED, as its application says", row[1], row[2]),
			"COMMIT PREPARED "+pg.Literal(row[0]))
	}
	f.Text = fmt.Sprintf("the slot cannot be made before these end, and they do not end by themselves: %s", few(f.Names))
	f.SQL = lines(sql...)
	f.Hint = "ask whoever runs the application how they must end"
	r.add(f)
	return nil
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
