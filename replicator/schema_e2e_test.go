package replicator_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator/schema"
	"replicator/replicator/status"
)

// compareSequences holds every sequence's position and last step against the source's.
func (p *pair) compareSequences() {
	p.t.Helper()
	list := `SELECT coalesce(string_agg(format('%I.%I', nspname, relname), E'\x01' ORDER BY 1), '') FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind = 'S' AND nspname !~ '^pg_'`
	names := p.value(p.source, list)
	if names == "" {
		return
	}
	p.sameAnswers(strings.Split(names, apart), func(name string) string { return "SELECT last_value || ' ' || is_called FROM " + name })
}

// ofOtherType gives sequences of identity columns the type that they have, which pg_dump does not tell.
const ofOtherType = `SELECT coalesce(string_agg(format(';ALTER SEQUENCE %s AS %s MAXVALUE %s', seqrelid::regclass, seqtypid::regtype, seqmax), ''), '')
	FROM pg_sequence JOIN pg_depend d ON d.objid = seqrelid AND d.deptype = 'i'
		JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid WHERE seqtypid <> a.atttypid`

// compareSchema holds the target's catalog against that of a database beside it which pg_dump and
// psql have made from the source as a superuser: the same server, so the same words for the same
// thing, and the same roles. Where pg_dump can read both, object is held against object as well.
func (p *pair) compareSchema() {
	p.t.Helper()
	ctx := p.t.Context()
	reference, err := p.targetC.CreateDatabase(ctx, p.value(p.target, "SELECT current_database()")+"_reference")
	if err != nil {
		p.t.Fatal(err)
	}
	args := append([]string{"--schema-only", "--no-publications", "--no-subscriptions"}, p.o.Select.Args()...)
	script, err := exec.CommandContext(ctx, "pg_dump", append(args, p.source)...).Output()
	if err != nil {
		p.t.Fatalf("pg_dump of the source: %v", err)
	}
	// A pg_dump of 17 and newer sets what older servers do not know.
	p.psql(reference, strings.Replace(string(script), "SET transaction_timeout = 0;\n", "", 1)+p.value(p.source, ofOtherType))
	want, have := p.catalog(reference), p.catalog(p.target)
	p.ownsNothing()
	for name, def := range want {
		if got, there := have[name]; !there {
			p.t.Errorf("%s is missing on the target", name)
		} else if got != def {
			p.t.Errorf("%s differs:\nwant %s\nhave %s", name, def, got)
		}
	}
	for name := range have {
		if _, there := want[name]; !there {
			p.t.Errorf("%s is on the target only", name)
		}
	}
	const filled = "SELECT coalesce(string_agg(oid::regclass || ' ' || relispopulated, ', ' ORDER BY oid::regclass::text), '') FROM pg_class WHERE relkind = 'm'"
	if s, t := p.value(p.source, filled), p.value(p.target, filled); s != t {
		p.t.Errorf("materialized views: source %s, target %s", s, t)
	}
	if p.value(p.target, "SHOW server_version_num") >= "160000" {
		return // pg_dump is 15's
	}
	// Some expressions come back in other words after one restore, which the reference had as well.
	diffs, err := schema.Compare(ctx, reference, p.target, p.o.Select)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, d := range diffs {
		if !strings.Contains(d.String(), "replicator_setup") { // of the SQL that the DBA ran
			p.t.Errorf("%s\nsource %s\ntarget %s", d, d.Source, d.Target)
		}
	}
	p.sameDump(reference)
}

// sameDump holds what pg_dump says of both against each other, line by line: another reading of it
// than the engine's own. Objects come in the order of their numbers, so lines are counted.
func (p *pair) sameDump(reference string) {
	p.t.Helper()
	lines := map[string]int{}
	for dsn, n := range map[string]int{reference: 1, p.target: -1} {
		args := append([]string{"--schema-only", "--no-publications", "--no-subscriptions", "--exclude-schema=replicator", "--exclude-schema=replicator_setup"}, p.o.Select.Args()...)
		out, err := exec.CommandContext(p.t.Context(), "pg_dump", append(args, dsn)...).Output()
		if err != nil {
			p.t.Fatalf("pg_dump: %v", err)
		}
		for line := range strings.Lines(string(out)) {
			// What is set for all objects that follow depends on their order.
			if line = strings.TrimRight(line, "\n,"); !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) && !strings.HasPrefix(line, "SET default_") {
				lines[line] += n
			}
		}
	}
	for line, n := range lines {
		if n != 0 {
			p.t.Errorf("pg_dump of the source has this line %+d times more: %s", n, line)
		}
	}
}

// ownsNothing wants that the engine's role has kept nothing: a DBA will drop it. Extensions belong to
// whoever installs them.
func (p *pair) ownsNothing() {
	p.t.Helper()
	if left := p.value(p.target, `SELECT coalesce(string_agg(pg_describe_object(classid, objid, objsubid), ', '), '') FROM pg_shdepend
		WHERE refobjid = to_regrole('replicator_target') AND deptype = 'o' AND classid <> 'pg_extension'::regclass
			AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND pg_describe_object(classid, objid, objsubid) !~ ' replicator(\.|$)'`); left != "" {
		p.t.Errorf("the target role owns %s", left)
	}
}

// catalog is every object of a database with its definition, owner and rights.
func (p *pair) catalog(dsn string) map[string]string {
	p.t.Helper()
	c := p.connect(dsn)
	defer c.Close()
	objects := map[string]string{}
	for _, sql := range strings.Split(catalogSQL, ";\n") {
		rows, err := c.Query(context.Background(), strings.NewReplacer(
			"@ours", "n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'replicator', 'replicator_setup')",
			"@nested", "(current_setting('server_version_num')::int >= 170000 AND EXISTS (SELECT FROM pg_inherits h JOIN pg_class u ON u.oid = h.inhparent WHERE h.inhrelid = c.oid AND u.relispartition))",
			"@acl", "(SELECT string_agg(i::text, ',' ORDER BY i::text) FROM unnest",
		).Replace(sql))
		if err != nil {
			p.t.Fatalf("%v in %s", err, sql)
		}
		for _, r := range rows {
			if _, twice := objects[r[0]]; twice {
				p.t.Fatalf("two objects are named %s", r[0])
			}
			objects[r[0]] = strings.Join(r[1:], " | ")
		}
	}
	return objects
}

// catalogSQL is one query a kind of object: a name, then what it is. Left out are whether a
// materialized view is filled, which needs rows; whose a multirange type is, which pg_dump gets
// wrong before version 17; whether a partition's NOT NULL is its own as well, which version
// 18 says of a primary key that is made from an index; and the identity of partitions of partitions, which
// they lose from 17 on where pg_dump attaches them from below.
const catalogSQL = `
SELECT 'schema ' || n.nspname, pg_get_userbyid(nspowner), @acl(nspacl) i), obj_description(n.oid, 'pg_namespace') FROM pg_namespace n WHERE @ours;
SELECT 'relation ' || c.oid::regclass, relkind, relpersistence, pg_get_userbyid(relowner), @acl(relacl) i), reloptions, reltablespace, amname, relreplident,
	relrowsecurity, relforcerowsecurity, pg_get_partkeydef(c.oid), pg_get_expr(relpartbound, c.oid), obj_description(c.oid, 'pg_class'),
	(SELECT string_agg(inhparent::regclass::text, ',' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid)
	FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN pg_am a ON a.oid = relam WHERE @ours AND relkind NOT IN ('i', 'I', 't', 'c');
SELECT 'column ' || c.oid::regclass || '.' || quote_ident(attname), row_number() OVER (PARTITION BY c.oid ORDER BY attnum), format_type(atttypid, atttypmod), attnotnull,
	pg_get_expr(adbin, adrelid), CASE WHEN NOT @nested THEN attidentity END, attgenerated, attcollation::regcollation, attstorage, attcompression, coalesce(attstattarget, -1), @acl(attacl) i),
	ARRAY(SELECT o FROM unnest(attoptions) o WHERE o NOT LIKE 'pg_attver=%'), -- from 15.20 on every column has one, of its own side
	attislocal, attinhcount, col_description(c.oid, attnum)
	FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
	WHERE @ours AND relkind NOT IN ('i', 'I', 't', 'S') AND attnum > 0 AND NOT attisdropped;
SELECT 'index ' || indexrelid::regclass, pg_get_indexdef(indexrelid), indisunique, indisprimary, indisvalid, indisclustered, indisreplident, relispartition,
	pg_get_userbyid(relowner), reloptions, reltablespace, obj_description(indexrelid, 'pg_class'),
	(SELECT string_agg(attnum || ':' || coalesce(attstattarget, -1), ',') FROM pg_attribute WHERE attrelid = indexrelid AND coalesce(attstattarget, -1) >= 0)
	FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE @ours;
SELECT 'constraint ' || quote_ident(conname) || ' on ' || CASE WHEN conrelid = 0 THEN contypid::regtype::text ELSE conrelid::regclass::text END, contype,
	pg_get_constraintdef(c.oid), convalidated, condeferrable, condeferred, contype = 'n' OR conislocal, coninhcount, conindid::regclass, obj_description(c.oid, 'pg_constraint')
	FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace WHERE @ours;
SELECT 'trigger ' || quote_ident(tgname) || ' on ' || tgrelid::regclass, pg_get_triggerdef(t.oid), tgenabled, tgparentid <> 0, obj_description(t.oid, 'pg_trigger')
	FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE NOT tgisinternal AND @ours;
SELECT 'rule ' || quote_ident(rulename) || ' on ' || ev_class::regclass, pg_get_ruledef(r.oid), ev_enabled, obj_description(r.oid, 'pg_rewrite')
	FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class JOIN pg_namespace n ON n.oid = relnamespace WHERE @ours;
SELECT 'policy ' || quote_ident(policyname) || ' on ' || quote_ident(schemaname) || '.' || quote_ident(tablename), permissive, roles, cmd, qual, with_check FROM pg_policies n JOIN (SELECT nspname FROM pg_namespace n WHERE @ours) o ON o.nspname = n.schemaname;
SELECT 'function ' || p.oid::regprocedure, CASE WHEN prokind <> 'a' THEN pg_get_functiondef(p.oid) END, pg_get_userbyid(proowner), @acl(proacl) i), obj_description(p.oid, 'pg_proc')
	FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE @ours;
SELECT 'type ' || t.oid::regtype, typtype, CASE WHEN typtype <> 'm' AND (SELECT typtype FROM pg_type e WHERE e.oid = t.typelem) IS DISTINCT FROM 'm' THEN pg_get_userbyid(typowner) END, @acl(typacl) i), typnotnull, typdefault, format_type(typbasetype, typtypmod), typcollation::regcollation, obj_description(t.oid, 'pg_type'),
	(SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid),
	(SELECT rngsubtype::regtype || ' ' || rngsubdiff || ' ' || rngcanonical FROM pg_range WHERE rngtypid = t.oid)
	FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE @ours;
SELECT 'sequence ' || c.oid::regclass, seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle
	FROM pg_sequence s JOIN pg_class c ON c.oid = seqrelid JOIN pg_namespace n ON n.oid = relnamespace WHERE @ours;
SELECT 'sequence of ' || c.oid::regclass, a.attname, d.deptype FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = relnamespace
	JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid WHERE d.classid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') AND @ours;
SELECT 'statistics ' || stxnamespace::regnamespace || '.' || quote_ident(stxname), pg_get_statisticsobjdef(s.oid), coalesce(to_jsonb(s)->>'stxstattarget', '-1'), pg_get_userbyid(stxowner) FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = stxnamespace WHERE @ours;
SELECT 'default rights of ' || quote_ident(pg_get_userbyid(defaclrole)) || coalesce(' in schema ' || quote_ident(nspname), '') || ' on ' || defaclobjtype::text, @acl(defaclacl) i) FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = defaclnamespace;
SELECT 'extension ' || extname, extversion, extnamespace::regnamespace, obj_description(oid, 'pg_extension') FROM pg_extension;
SELECT 'event trigger ' || evtname, evtevent, evtfoid::regproc, evtenabled, evttags, pg_get_userbyid(evtowner) FROM pg_event_trigger;
SELECT 'operator ' || o.oid::regoperator, oprcode, pg_get_userbyid(oprowner) FROM pg_operator o JOIN pg_namespace n ON n.oid = oprnamespace WHERE @ours;
SELECT 'cast ' || castsource::regtype || ' to ' || casttarget::regtype, castfunc::regprocedure, castcontext, castmethod FROM pg_cast WHERE oid >= 16384;
SELECT 'collation ' || c.oid::regcollation, collprovider, collisdeterministic, collcollate, pg_get_userbyid(collowner) FROM pg_collation c JOIN pg_namespace n ON n.oid = collnamespace WHERE @ours`

// TestSchemaComparisonSees takes one thing of each kind away or changes it, and wants the comparison
// to see it: the tests of versions rest on it.
func TestSchemaComparisonSees(t *testing.T) {
	p := newPair(t, server(t, "source", cluster.Config{}), server(t, "target", cluster.Config{}))
	p.exec(p.source, hammerSchema+hammerRows(100))
	p.o.Until = "consistent"
	e := startEngine(t, orders{Options: p.o})
	<-e.gone
	if e.code != 0 {
		t.Fatalf("engine ended with %d:\n%s", e.code, e.out)
	}
	p.o.Until = ""
	e = startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	p.mustCatchup()
	p.compareSchema()
	for _, sql := range []string{
		"DROP INDEX h.note_ver", "ALTER TABLE h.account DROP CONSTRAINT account_balance_check", "DROP TRIGGER account_audit ON h.account",
		"ALTER TABLE h.obs ALTER id SET GENERATED BY DEFAULT", "REVOKE INSERT ON h.bed FROM ward", "ALTER TABLE h.pair OWNER TO ward",
		"COMMENT ON TABLE h.log IS 'x'", "ALTER TABLE h.note ALTER big SET STORAGE EXTENDED", "DROP VIEW h.rich", "ALTER SEQUENCE h.ticket INCREMENT 8",
		"ALTER TABLE h.other REPLICA IDENTITY DEFAULT", "ALTER TABLE h.obs DETACH PARTITION h.obs_8", "ALTER TABLE h.cache SET LOGGED",
	} {
		before := p.catalog(p.target)
		p.exec(p.target, sql)
		same := true
		after := p.catalog(p.target)
		for name, def := range before {
			same = same && after[name] == def
		}
		if same {
			t.Errorf("the comparison does not see %s", sql)
		}
	}
}
