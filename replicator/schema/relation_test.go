package schema_test

import (
	"reflect"
	"slices"
	"testing"

	"replicator/replicator/schema"
)

func TestRelations(t *testing.T) {
	t.Parallel()
	conn := connect(t, database(t, server))
	execute(t, conn, `SET search_path = public; CREATE EXTENSION postgres_fdw SCHEMA public;
		CREATE TABLE t (a serial, b int GENERATED ALWAYS AS IDENTITY); CREATE SEQUENCE free;
		CREATE TABLE root (k int) PARTITION BY LIST (k);
		CREATE TABLE mid PARTITION OF root FOR VALUES IN (1) PARTITION BY LIST (k);
		CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw; CREATE FOREIGN TABLE far (a int) SERVER s;
		CREATE MATERIALIZED VIEW z AS SELECT a FROM t;
		CREATE VIEW v AS SELECT a FROM z; CREATE MATERIALIZED VIEW a AS SELECT a FROM v;
		CREATE MATERIALIZED VIEW b AS SELECT a FROM a WITH NO DATA`)
	all, some := schema.Selection{}, schema.Selection{Tables: []string{"t"}}

	matviews, err := schema.MaterializedViews(t.Context(), conn, all)
	check(t, err)
	names := []string{}
	for i := range matviews {
		names = append(names, matviews[i].Name)
	}
	if !reflect.DeepEqual(names, []string{"z", "a", "b"}) || !matviews[1].Populated || matviews[2].Populated {
		t.Errorf("materialized views %+v", matviews)
	}
	sequences, err := schema.Sequences(t.Context(), conn, all)
	check(t, err)
	if len(sequences) != 3 || sequences[0].Name != "free" || sequences[0].Table != 0 ||
		sequences[1].Column != "a" || sequences[1].Identity || sequences[2].Column != "b" || !sequences[2].Identity {
		t.Errorf("sequences %+v", sequences)
	}
	sequences, err = schema.Sequences(t.Context(), conn, some)
	check(t, err)
	if len(sequences) != 2 {
		t.Errorf("sequences of t %+v", sequences)
	}
	foreign, err := schema.ForeignTables(t.Context(), conn, all)
	check(t, err)
	if len(foreign) != 1 || foreign[0].String() != "public.far" || foreign[0].Server != "s" {
		t.Errorf("foreign tables %+v", foreign)
	}
	parted, err := schema.PartitionedTables(t.Context(), conn, all)
	check(t, err)
	if len(parted) != 2 || parted[0].Name != "mid" || parted[0].Parent != parted[1].OID || parted[1].Parent != 0 {
		t.Errorf("partitioned tables %+v", parted)
	}
}

func TestOwners(t *testing.T) {
	t.Parallel()
	conn := connect(t, database(t, server))
	owners, err := schema.Owners(t.Context(), conn)
	check(t, err)
	if len(owners) != 0 {
		t.Errorf("an empty database has owners %q", owners)
	}
	execute(t, conn, `CREATE ROLE "owners-a"; CREATE ROLE "owners-b"; CREATE ROLE "owners-c";
		CREATE SCHEMA s AUTHORIZATION "owners-a"; CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
		ALTER FUNCTION s.f() OWNER TO "owners-b"; CREATE PUBLICATION p; ALTER PUBLICATION p OWNER TO "owners-a"`)
	owners, err = schema.Owners(t.Context(), conn)
	check(t, err)
	if !reflect.DeepEqual(owners, []string{"owners-a", "owners-b"}) {
		t.Errorf("owners %q", owners)
	}
	execute(t, conn, `CREATE TABLE s.t (a int)`)
	owners, err = schema.Owners(t.Context(), conn)
	check(t, err)
	if !slices.Contains(owners, "postgres") {
		t.Errorf("owners %q", owners)
	}
}

func TestDatabaseFacts(t *testing.T) {
	t.Parallel()
	conn := connect(t, database(t, server))
	name, err := conn.Value(t.Context(), `SELECT current_database()`)
	check(t, err)
	execute(t, conn, `ALTER DATABASE "`+name+`" SET lc_monetary = 'C'`)
	db, err := schema.DatabaseFacts(t.Context(), conn)
	check(t, err)
	if db.Name != name || db.Encoding != "UTF8" || db.Provider != "libc" || db.Collate != "C.UTF-8" ||
		db.Owner != "postgres" || db.Tablespace != "pg_default" || db.Version < 140000 ||
		!reflect.DeepEqual(db.Settings, []string{"lc_monetary=C"}) {
		t.Errorf("facts %+v", db)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
