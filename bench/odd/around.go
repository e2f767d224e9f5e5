package odd

import (
	"fmt"
	"slices"
	"strings"
)

// indexes makes indexes of every kind on a table.
func (m *maker) indexes(t *table) {
	for range m.r.IntN(4) {
		unique := ""
		on := pick(m, []string{
			"(%k)", "(%k DESC NULLS LAST)", "((%f(%k)))", "(%k) WHERE %k > 5", "USING hash (%k)", "USING brin (%k) WITH (pages_per_range = 3)", "(%k) INCLUDE (%c)",
			"USING gist (%k)", "(((%k)::text) text_pattern_ops)", "((%k % 7), %k) WITH (fillfactor = 50)", "USING gin ((ARRAY[%k]))", "((%k::text) COLLATE \"C\")", "((CASE WHEN %k > 3 THEN 'it''s; a' END))",
		})
		if m.version >= 15 && m.one(5) && !t.parted {
			unique, on = "UNIQUE ", "(%k, %c) NULLS NOT DISTINCT"
		}
		c := t.key
		for _, col := range t.cols {
			if slices.Contains([]string{"int", "bigint", "date", "uuid", "bool"}, col.kind.name) {
				c = col.name
			}
		}
		on = strings.NewReplacer("%k", t.key, "%c", c, "%f", pick(m, m.immutable)).Replace(on)
		name := m.name("i")
		m.do("CREATE %sINDEX %s ON %s %s", unique, name, t.name, on)
		schema := strings.TrimSuffix(t.name, t.bare)
		if m.one(3) {
			m.do("COMMENT ON INDEX %s%s IS %s", schema, name, m.text())
		}
		if strings.HasPrefix(on, "((") && !strings.Contains(on, ", ") && m.one(2) {
			m.do("ALTER INDEX %s%s ALTER COLUMN 1 SET STATISTICS 77", schema, name)
		}
		if !t.parted && strings.HasPrefix(on, "(") && !strings.Contains(on, "WHERE") && m.one(4) {
			m.do("ALTER TABLE %s CLUSTER ON %s", t.name, name)
		}
	}
	if m.one(5) && !t.parted {
		m.do("ALTER TABLE %s ADD CONSTRAINT %s EXCLUDE USING gist (%s WITH =)%s", t.name, m.name("x"), t.key, pick(m, []string{"", " WHERE (" + t.key + " > 3)", " DEFERRABLE INITIALLY DEFERRED"}))
	}
	if m.one(4) {
		s, _ := m.within("stat")
		m.do("CREATE STATISTICS %s %s ON %s, (%s %% 5) FROM %s", s, pick(m, []string{"", "(mcv)", "(dependencies, ndistinct)"}), t.key, t.key, t.name)
		m.do("ALTER STATISTICS %s OWNER TO %s", s, m.role())
		if m.one(2) {
			m.do("ALTER STATISTICS %s SET STATISTICS 55", s)
			m.do("COMMENT ON STATISTICS %s IS %s", s, m.text())
		}
	}
}

// triggers makes triggers in every state, and rules.
func (m *maker) triggers(t *table) {
	if m.one(2) {
		name := m.name("tg")
		when := pick(m, []string{"BEFORE INSERT OR UPDATE", "AFTER INSERT OR DELETE", "AFTER UPDATE OF " + t.key})
		cond := ""
		if when == "BEFORE INSERT OR UPDATE" && m.one(2) {
			cond = fmt.Sprintf(" WHEN (NEW.%s > -1)", t.key)
		}
		m.do("CREATE TRIGGER %s %s ON %s FOR EACH ROW%s EXECUTE FUNCTION %s(%s)", name, when, t.name, cond, pick(m, m.triggerFns), pick(m, []string{"", m.text(), "1, 'a;b'"}))
		if state := pick(m, []string{"", "ENABLE ALWAYS", "ENABLE REPLICA", "DISABLE"}); state != "" {
			m.do("ALTER TABLE %s %s TRIGGER %s", t.name, state, name)
		}
		if m.one(2) {
			m.do("COMMENT ON TRIGGER %s ON %s IS %s", name, t.name, m.text())
		}
	}
	if m.one(6) && !t.heir && !t.parted {
		m.do("CREATE CONSTRAINT TRIGGER %s AFTER INSERT ON %s DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION %s()", m.name("tg"), t.name, pick(m, m.triggerFns))
		m.do("CREATE TRIGGER %s AFTER UPDATE ON %s REFERENCING OLD TABLE AS was NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION %s()", m.name("tg"), t.name, pick(m, m.triggerFns))
	}
	if m.one(8) && !t.parted && !t.heir {
		name := m.name("rule")
		m.do("CREATE RULE %s AS ON UPDATE TO %s WHERE NEW.%s < -5 DO INSTEAD NOTHING", name, t.name, t.key)
		if state := pick(m, []string{"", "ENABLE ALWAYS", "ENABLE REPLICA", "DISABLE"}); state != "" {
			m.do("ALTER TABLE %s %s RULE %s", t.name, state, name)
		}
		m.do("COMMENT ON RULE %s ON %s IS %s", name, t.name, m.text())
	}
}

// adorn gives a table an owner, rights, comments, policies and properties of its columns.
func (m *maker) adorn(t *table) {
	c := column{t.key, kind{"int", ""}}
	if len(t.cols) > 0 {
		c = pick(m, t.cols)
	}
	if m.one(2) {
		m.do("COMMENT ON TABLE %s IS %s", t.name, m.text())
		m.do("COMMENT ON COLUMN %s.%s IS %s", t.name, c.name, m.text())
	}
	if m.one(3) {
		m.do("GRANT %s ON %s TO %s", pick(m, []string{"SELECT", "ALL", "INSERT, TRUNCATE", "TRIGGER"}), t.name, pick(m, []string{"PUBLIC", m.role(), m.role() + " WITH GRANT OPTION"}))
		m.do("GRANT SELECT (%s), UPDATE (%s) ON %s TO %s", c.name, t.key, t.name, m.role())
	}
	if m.one(5) {
		m.do("ALTER TABLE %s ALTER %s SET STATISTICS %d, ALTER %s SET (n_distinct = -0.5)", t.name, c.name, m.r.IntN(1000), t.key)
	}
	if c.kind.name == "text" || c.kind.name == "jsonb" || c.kind.name == "bytea" {
		m.do("ALTER TABLE %s ALTER %s SET STORAGE %s", t.name, c.name, pick(m, []string{"EXTERNAL", "MAIN", "PLAIN", "EXTENDED"}))
		m.do("ALTER TABLE %s ALTER %s SET COMPRESSION %s", t.name, c.name, pick(m, []string{"pglz", "default"}))
	}
	if m.one(6) {
		m.do("ALTER TABLE %s %s ROW LEVEL SECURITY", t.name, pick(m, []string{"ENABLE", "FORCE"}))
		p := m.name("policy")
		m.do("CREATE POLICY %s ON %s AS %s FOR %s TO %s USING (%s > 0 OR current_user <> %s)", p, t.name, pick(m, []string{"RESTRICTIVE", "PERMISSIVE"}), pick(m, []string{"ALL", "SELECT", "DELETE"}), pick(m, []string{"PUBLIC", m.role(), m.role() + ", CURRENT_USER"}), t.key, m.text())
		m.do("COMMENT ON POLICY %s ON %s IS %s", p, t.name, m.text())
	}
	if m.one(6) && !t.parted && !t.heir {
		m.do("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s > 3) NOT VALID", t.name, m.name("c"), t.key) // some rows break it
	}
	m.do("ALTER TABLE %s OWNER TO %s", t.name, m.role())
	if m.one(6) {
		m.do("REVOKE DELETE ON %s FROM %s", t.name, m.role())
	}
}

// views makes chains of views and materialized views.
func (m *maker) views() {
	type source struct{ name, id string }
	var from []source
	for _, t := range m.tables {
		from = append(from, source{t.name, t.key})
	}
	for range m.size/2 + 2 {
		name, _ := m.within("v")
		of := pick(m, from)
		id := m.name("id")
		sql := fmt.Sprintf("SELECT %s AS %s, count(*) OVER () AS n FROM %s AS x", of.id, id, of.name)
		switch m.r.IntN(6) {
		case 0:
			of = pick(m, from[:len(m.tables)]) // a view upon views may be none that rows go through
			with := pick(m, []string{"security_barrier", "security_barrier, check_option = local", "check_option = cascaded"})
			if m.version >= 15 && m.one(2) {
				with = "security_invoker = true"
			}
			m.do("CREATE VIEW %s WITH (%s) AS SELECT %s AS %s FROM %s WHERE %s > 0", name, with, of.id, id, of.name, of.id)
		case 1, 2:
			m.do("CREATE MATERIALIZED VIEW %s WITH (fillfactor = 71) AS %s %s", name, sql, pick(m, []string{"", "", "", "WITH DATA"}))
			if m.one(2) {
				m.do("CREATE INDEX %s ON %s (%s)", m.name("i"), name, id)
			}
			m.do("COMMENT ON MATERIALIZED VIEW %s IS %s", name, m.text())
			m.do("ALTER MATERIALIZED VIEW %s OWNER TO %s", name, m.role())
			m.do("ALTER MATERIALIZED VIEW %s OWNER TO %s", name, m.admin) // whoever fills it has to read what it reads
			from = append(from, source{name, id})
			continue
		case 3:
			m.do("CREATE VIEW %s AS SELECT %s AS %s, 'it''s;'::text AS %s FROM %s", name, of.id, id, m.name("t"), of.name)
			m.do("CREATE TRIGGER %s INSTEAD OF INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION %s()", m.name("tg"), name, pick(m, m.triggerFns))
		case 4:
			m.do("CREATE VIEW %s AS WITH RECURSIVE q AS (SELECT 1 AS z UNION ALL SELECT z + 1 FROM q WHERE z < 3) SELECT %s AS %s, q.z FROM %s AS x JOIN q ON q.z = %s", name, of.id, id, of.name, of.id)
			m.do("CREATE RULE %s AS ON INSERT TO %s DO INSTEAD (SELECT 1; NOTIFY odd)", m.name("rule"), name)
		default:
			m.do("CREATE VIEW %s AS %s", name, sql)
			m.do("ALTER VIEW %s ALTER %s SET DEFAULT 7", name, id)
		}
		m.do("COMMENT ON VIEW %s IS %s", name, m.text())
		m.do("COMMENT ON COLUMN %s.%s IS %s", name, id, m.text())
		m.do("GRANT SELECT ON %s TO %s", name, m.role())
		from = append(from, source{name, id})
	}
	none, _ := m.within("v")
	m.do("CREATE MATERIALIZED VIEW %s AS SELECT * FROM %s WITH NO DATA", none, from[0].name)
	f, _ := m.within("fn") // a function that needs a view
	m.do("CREATE FUNCTION %s() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM %s; END", f, from[len(from)-1].name)
	m.do("CREATE VIEW %s AS SELECT %s() AS n", m.name("v"), f)
	rows, _ := m.within("fn") // and one whose type is a table
	m.do("CREATE FUNCTION %s(%s) RETURNS SETOF %s LANGUAGE sql AS 'SELECT $1'", rows, from[0].name, from[0].name)
}

// foreign makes servers, user mappings and foreign tables, also as partitions and heirs.
func (m *maker) foreign() {
	server := m.name("server")
	m.do("CREATE SERVER %s TYPE 'x' VERSION '1' FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname %s)", server, m.text())
	m.do("ALTER SERVER %s OWNER TO %s", server, "postgres")
	m.do("GRANT USAGE ON FOREIGN SERVER %s TO %s", server, m.role())
	m.do("CREATE USER MAPPING FOR %s SERVER %s OPTIONS (user 'u', password 'p''w')", m.role(), server)
	m.do("CREATE USER MAPPING FOR PUBLIC SERVER %s", server)
	for range 2 {
		t, _ := m.within("ft")
		c := m.name("c")
		m.do("CREATE FOREIGN TABLE %s (%s int OPTIONS (column_name %s) NOT NULL, x text DEFAULT 'a' CHECK (x <> '')) SERVER %s OPTIONS (table_name 't;''')", t, c, m.text(), server)
		m.do("COMMENT ON FOREIGN TABLE %s IS %s", t, m.text())
		m.do("ALTER FOREIGN TABLE %s OWNER TO %s", t, m.role())
		m.do("CREATE TRIGGER %s BEFORE INSERT ON %s FOR EACH ROW EXECUTE FUNCTION %s()", m.name("tg"), t, pick(m, m.triggerFns))
	}
	w := m.name("fdw")
	m.do("CREATE FOREIGN DATA WRAPPER %s OPTIONS (%s 'x')", w, strings.ReplaceAll(m.name("o"), "=", "-")) // newer versions refuse =
	m.do("COMMENT ON FOREIGN DATA WRAPPER %s IS %s", w, m.text())
	m.do("CREATE SERVER %s FOREIGN DATA WRAPPER %s", m.name("server"), w)
}

// searching makes what text search is made of.
func (m *maker) searching() {
	d, _ := m.within("dict")
	c, _ := m.within("config")
	p, _ := m.within("parser")
	t, _ := m.within("template")
	m.do("CREATE TEXT SEARCH DICTIONARY %s (TEMPLATE = simple, stopwords = english)", d)
	m.do("ALTER TEXT SEARCH DICTIONARY %s OWNER TO %s", d, m.role())
	m.do("CREATE TEXT SEARCH CONFIGURATION %s (COPY = english)", c)
	m.do("ALTER TEXT SEARCH CONFIGURATION %s ALTER MAPPING FOR asciiword, word WITH %s, english_stem", c, d)
	m.do("COMMENT ON TEXT SEARCH CONFIGURATION %s IS %s", c, m.text())
	if m.plain {
		return
	}
	m.do("CREATE TEXT SEARCH PARSER %s (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)", p)
	m.do("CREATE TEXT SEARCH TEMPLATE %s (INIT = dsimple_init, LEXIZE = dsimple_lexize)", t)
	own, _ := m.within("config")
	m.do("CREATE TEXT SEARCH CONFIGURATION %s (PARSER = %s)", own, p)
	m.do("ALTER TEXT SEARCH CONFIGURATION %s ADD MAPPING FOR asciiword, word WITH %s, english_stem", own, d)
	m.do("COMMENT ON TEXT SEARCH PARSER %s IS %s", p, m.text())
}

// operators makes operators, classes of them, casts, collations, conversions, transforms and languages.
func (m *maker) operators() {
	s := pick(m, m.schemaNames)
	f, _ := m.within("same")
	m.do("CREATE FUNCTION %s(%s, %s) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true'", f, m.enum.name, m.enum.name)
	op := s + "." + pick(m, []string{"===", "<~>", "@#@", "%%%"})
	m.Setup = append(m.Setup, fmt.Sprintf("CREATE OPERATOR %s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = %s, COMMUTATOR = OPERATOR(%s), RESTRICT = eqsel)", op, m.enum.name, m.enum.name, f, op))
	m.do("COMMENT ON OPERATOR %s (%s, %s) IS %s", op, m.enum.name, m.enum.name, m.text())
	m.do("ALTER OPERATOR %s (%s, %s) OWNER TO %s", op, m.enum.name, m.enum.name, m.role())
	coll, _ := m.within("coll")
	m.do("CREATE COLLATION %s (provider = icu, locale = 'de', deterministic = %s)", coll, pick(m, []string{"true", "false"}))
	m.do("ALTER COLLATION %s OWNER TO %s", coll, m.role())
	conv, _ := m.within("conv")
	m.do("CREATE CONVERSION %s FOR 'UTF8' TO 'LATIN1' FROM utf8_to_iso8859_1", conv)
	m.do("COMMENT ON CONVERSION %s IS %s", conv, m.text())
	cast, _ := m.within("cast")
	m.do("CREATE FUNCTION %s(%s) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1'", cast, m.enum.name)
	m.do("ALTER TYPE %s OWNER TO %s", m.enum.name, m.admin)
	m.do("CREATE CAST (%s AS int) WITH FUNCTION %s(%s) AS ASSIGNMENT", m.enum.name, cast, m.enum.name)
	m.do("COMMENT ON CAST (%s AS int) IS %s", m.enum.name, m.text())
	if !m.plain {
		m.privileged()
	}
}

// privileged makes what only a superuser may make.
func (m *maker) privileged() {
	class, _ := m.within("class")
	family, _ := m.within("family")
	m.do("CREATE OPERATOR FAMILY %s USING btree", family)
	m.do("CREATE OPERATOR CLASS %s FOR TYPE int USING btree FAMILY %s AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int)", class, family)
	m.do("ALTER OPERATOR FAMILY %s USING btree ADD FUNCTION 1 (int8, int4) btint84cmp(int8, int4)", family)
	m.do("COMMENT ON OPERATOR CLASS %s USING btree IS %s", class, m.text())
	m.do("CREATE INDEX %s ON %s (%s %s)", m.name("i"), m.tables[0].name, "("+m.tables[0].key+"::int)", class)
	lang := m.name("lang")
	// pg_dump cannot make a language whose handler came with an extension.
	handler, _ := m.within("handler")
	m.do("CREATE FUNCTION %s() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler'", handler)
	m.do("CREATE TRUSTED LANGUAGE %s HANDLER %s", lang, handler)
	m.do("COMMENT ON LANGUAGE %s IS %s", lang, m.text())
	fn, _ := m.within("fn")
	m.do("CREATE FUNCTION %s() RETURNS int LANGUAGE %s AS 'BEGIN RETURN 1; END'", fn, lang)
	m.do("CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal))")
	m.do("CREATE ACCESS METHOD %s TYPE TABLE HANDLER heap_tableam_handler", m.name("am"))
}

// whole makes what belongs to the database, and large objects.
func (m *maker) whole() {
	for _, state := range []string{"", "DISABLE", "ENABLE REPLICA", "ENABLE ALWAYS"} {
		if m.plain {
			break
		}
		f, _ := m.within("evt")
		m.do("CREATE FUNCTION %s() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END'", f)
		e := m.name("evt")
		m.do("CREATE EVENT TRIGGER %s ON %s EXECUTE FUNCTION %s()", e, pick(m, []string{"ddl_command_end", "ddl_command_start WHEN TAG IN ('CREATE TABLE', 'DROP TABLE')", "sql_drop", "table_rewrite"}), f)
		if state != "" {
			m.do("ALTER EVENT TRIGGER %s %s", e, state)
		}
		m.do("COMMENT ON EVENT TRIGGER %s IS %s", e, m.text())
	}
	for i := range 5 {
		m.do("SELECT lo_from_bytea(%d, decode(repeat('2a00', %d), 'hex'))", 70000+i, i*700)
		m.do("ALTER LARGE OBJECT %d OWNER TO %s", 70000+i, m.role())
		if m.one(2) {
			m.do("COMMENT ON LARGE OBJECT %d IS %s", 70000+i, m.text())
			m.do("GRANT SELECT ON LARGE OBJECT %d TO %s", 70000+i, m.role())
		}
		m.Writes = append(m.Writes, fmt.Sprintf("SELECT lo_put(%d, # %% 3000, decode(md5('@'), 'hex'))", 70000+i))
	}
	m.Writes = append(m.Writes, "SELECT lo_create(0)", "SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid > 90000 LIMIT 1")
	m.do("DO $do$ BEGIN EXECUTE format('ALTER DATABASE %%I SET search_path = public, %%I', current_database(), 'x'); EXECUTE format('COMMENT ON DATABASE %%I IS %%L', current_database(), %s); EXECUTE format('ALTER ROLE odd_plain IN DATABASE %%I SET work_mem = %%L', current_database(), '7MB'); END $do$", m.text())
}
