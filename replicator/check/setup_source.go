package check

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
	"replicator/replicator/source"
)

// SourceSetup is the SQL that a superuser runs on the source.
func SourceSetup(ctx context.Context, o SetupOptions) (string, error) {
	if o.Role == "" {
		o.Role = DefaultSourceRole
	}
	var r *run
	database := ""
	if o.DSN != "" {
		var err error
		if r, err = sourceRun(ctx, o, o.DSN); err != nil {
			return "", err
		}
		defer r.src.conn.Close()
		database = r.src.Database
	}
	var s script
	s.part("SOURCE: what role " + o.Role + " needs. Run it as a superuser, connected to the database that will move.")
	s.login(o.Role, " REPLICATION")
	s.part("Read everything, also what is made later, and see whom the slot waits for.")
	s.add(onDatabase(database, "CONNECT", o.Role), fmt.Sprintf("GRANT pg_read_all_data, pg_monitor TO %s", pg.Ident(o.Role)))
	if r == nil {
		s.general(o)
	} else if err := r.sourceParts(ctx, o, &s); err != nil {
		return "", err
	}
	if o.DDL == "replicate" {
		s.statementParts()
	}
	s.fenceParts(database, o.Role)
	return s.b.String(), nil
}

// general says what cannot be known without the database.
func (s *script) general(o SetupOptions) {
	s.part("Only if a table has row security:")
	s.comment(fmt.Sprintf("ALTER ROLE %s BYPASSRLS;", pg.Ident(o.Role)))
	s.part("Only if it was taken from PUBLIC: behind the slot a large object is made and removed.")
	s.comment(grantSlotFunctions(pg.Ident(o.Role)) + ";")
	s.part("The publication lists its tables. With --source this prints it; never publish a table without a usable\n" +
		"replica identity, its application could not update it any more.")
	name := o.Publication
	if name == "" {
		name = source.DefaultName("database")
	}
	s.comment(fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE ...;", pg.Ident(name)), fmt.Sprintf("ALTER PUBLICATION %s OWNER TO %s;", pg.Ident(name), pg.Ident(o.Role)))
}

// fenceParts is what only `catchup --fence database` needs.
func (s *script) fenceParts(database, role string) {
	named := "the_database"
	if database != "" {
		named = pg.Ident(database)
	}
	s.part("OPTIONAL, for catchup --fence database: close the database to others and end their sessions. Without it\n" +
		"somebody stops the writers by hand (--fence operator).")
	s.comment("ALTER DATABASE "+named+" OWNER TO "+pg.Ident(role)+";", "GRANT pg_signal_backend TO "+pg.Ident(role)+";")
	s.part("pg_hba.conf of the source (the database's name, not \"replication\"):")
	s.comment("hostssl  " + named + "  " + pg.Ident(role) + "  <address of the engine>/32  scram-sha-256")
}

// sourceParts is what depends on the database's tables.
func (r *run) sourceParts(ctx context.Context, o SetupOptions, s *script) error {
	policies, err := r.src.value(ctx, "SELECT count(*) FROM pg_class WHERE oid = ANY ($1::oid[]) AND relrowsecurity", r.oids)
	if err != nil {
		return err
	}
	if policies != "0" {
		s.part(fmt.Sprintf("Row security hides rows of %s.", count(number(policies), "table")))
		s.add(fmt.Sprintf("ALTER ROLE %s BYPASSRLS", pg.Ident(o.Role)))
	}
	everybody, err := r.src.value(ctx, slotFunctions("'public'"))
	if err != nil {
		return err
	}
	if everybody != "t" {
		s.part("Behind the slot a large object is made and removed, which not everybody may do here.")
		s.add(grantSlotFunctions(pg.Ident(o.Role)))
	}
	published := r.published()
	if o.NoKey == "full" {
		r.identityPart(s)
	}
	s.part(fmt.Sprintf("The publication: %s. The role may drop it when the job is over.", count(len(published), "table")))
	name := pg.Ident(r.o.Publication)
	s.add("SET lock_timeout = '2s'",
		block(fmt.Sprintf("    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = %s) THEN\n        %s;\n    END IF;\n",
			pg.Literal(r.o.Publication), source.PublicationSQL(r.o.Publication, published))),
		fmt.Sprintf("ALTER PUBLICATION %s OWNER TO %s", name, pg.Ident(o.Role)), "RESET lock_timeout")
	return nil
}

func (r *run) identityPart(s *script) {
	var sql []string
	for i := range r.tables {
		if t := &r.tables[i]; t.MayBeFull() {
			sql = append(sql, fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY FULL", t.Qualified()))
		}
	}
	if len(sql) == 0 {
		return
	}
	s.part("--no-key full: identities for tables without one. Each waits for running transactions on its table, 2 s at most.")
	s.add("SET lock_timeout = '2s'")
	s.add(sql...)
	s.add("RESET lock_timeout")
}

// sourceRun reads the source for setup.
func sourceRun(ctx context.Context, o SetupOptions, dsn string) (*run, error) {
	src, err := connect(ctx, Source, dsn)
	if err != nil {
		return nil, err
	}
	r := &run{o: Options{Select: o.Select, Publication: o.Publication, NoKey: o.NoKey, LargeObjects: o.LargeObjects}, src: src}
	if err := r.catalog(ctx); err != nil {
		src.conn.Close()
		return nil, err
	}
	return r, nil
}
