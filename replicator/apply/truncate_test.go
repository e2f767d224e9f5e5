package apply

import (
	"context"
	"testing"

	"replicator/replicator/pg"
)

func TestTruncate(t *testing.T) {
	const schema = `CREATE TABLE a (k int PRIMARY KEY, v int); CREATE TABLE b (k serial PRIMARY KEY, a int REFERENCES a);
		CREATE TABLE c (v int); ALTER TABLE c REPLICA IDENTITY FULL; CREATE TABLE kid () INHERITS (c); ALTER TABLE kid REPLICA IDENTITY FULL`
	const rows = "INSERT INTO a SELECT g, g FROM generate_series(1, 9) g; INSERT INTO b (a) SELECT g FROM generate_series(1, 9) g; INSERT INTO c VALUES (1), (1); INSERT INTO kid VALUES (2)"
	for _, tt := range []struct {
		name  string
		plant string // on the target
		sql   []string
	}{
		{name: "alone", sql: []string{"TRUNCATE b"}},
		{name: "set with a foreign key", sql: []string{"TRUNCATE a, b"}},
		{name: "cascade", sql: []string{"TRUNCATE a CASCADE"}},
		{name: "restart identity", sql: []string{"TRUNCATE b RESTART IDENTITY", "INSERT INTO b (a) VALUES (1)"}},
		{name: "among changes", sql: []string{"INSERT INTO c VALUES (9)", "BEGIN; UPDATE b SET a = 1; TRUNCATE b; INSERT INTO b (a) VALUES (2); INSERT INTO c VALUES (8); TRUNCATE ONLY c; INSERT INTO c VALUES (7); COMMIT", "DELETE FROM c"}},
		{name: "parents and children", sql: []string{"TRUNCATE c"}},
		{name: "only the parent", sql: []string{"TRUNCATE ONLY c"}},
		{name: "referenced from outside of the set", plant: "CREATE TABLE x (a int REFERENCES a ON DELETE CASCADE); INSERT INTO x VALUES (1)", sql: []string{"TRUNCATE a, b", "INSERT INTO a VALUES (1, 1)"}},
	} {
		for _, limit := range []int{1000, 1} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, schema)
				p.both(rows)
				p.cfg.Limits.Changes = limit
				if tt.plant != "" {
					p.on(p.dst, tt.plant)
				}
				p.source(tt.sql...)
				p.apply()
				p.same()
				if tt.plant != "" && query(t, p.dst, "SELECT count(*) FROM x")[0][0] != "1" {
					t.Error("a table outside of the set lost rows")
				}
			})
		}
	}
}

// TestTruncateWithoutTheRight applies as a role that may only write rows. Version 14 cannot grant it
// replica mode either.
func TestTruncateWithoutTheRight(t *testing.T) {
	p := newPair(t, "CREATE TABLE a (k int PRIMARY KEY, v int)")
	role := p.name
	t.Cleanup(func() { p.on(p.dst, "DROP OWNED BY "+role+"; DROP ROLE "+role) })
	p.on(p.dst, "CREATE ROLE "+role+` LOGIN; GRANT pg_read_all_data, pg_write_all_data TO `+role+`; GRANT USAGE ON SCHEMA replicator TO `+role+`;
		GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA replicator TO `+role)
	settings := map[string]string{}
	if p.dst.Raw().ParameterStatus("server_version") >= "15" {
		p.on(p.dst, "GRANT SET ON PARAMETER session_replication_role TO "+role)
		settings["session_replication_role"] = "replica"
	}
	p.cfg.Connect = func(ctx context.Context) (*pg.Conn, error) {
		return pg.Connect(ctx, pg.Config{DSN: server.DSNAs(role, p.name+"t"), Settings: settings})
	}
	p.source("INSERT INTO a SELECT g, g FROM generate_series(1, 90) g", "TRUNCATE a", "INSERT INTO a VALUES (1, 1)")
	p.apply()
	p.same()
}
