package odd

import (
	"fmt"
	"strings"

	"replicator/replicator/pg"
)

// builtin are types that every version has.
var builtin = []kind{
	{"int", "@"}, {"smallint", "(@ % 30000)::int2"}, {"bigint", "@::bigint * 4000000000"}, {"numeric", "@ / 7.0"}, {"numeric(12,3)", "@ / 7.0"}, {"float8", "CASE WHEN @ % 5 = 0 THEN 'NaN' ELSE @ / 3.0 END::float8"},
	{"text", "repeat(md5((@)::text), 1 + @ % 90)"}, {"text", "nullif(md5((@)::text), '')"}, {"varchar(40)", "left(md5((@)::text), 40)"}, {"char(3)", "left(md5((@)::text), 3)"}, {`"char"`, `left(md5((@)::text), 1)::"char"`}, {"name", "md5((@)::text)::name"},
	{"date", "date '2000-01-01' + @ % 9000"}, {"timestamptz", "timestamptz '2000-01-01' + @ * interval '1 minute'"}, {"timestamp(2)", "timestamp '2000-01-01' + @ * interval '1 minute'"}, {"interval", "@ * interval '1 minute'"}, {"time", "time '00:00' + @ * interval '1 minute'"},
	{"uuid", "md5((@)::text)::uuid"}, {"jsonb", "jsonb_build_object('k', @)"}, {"json", "json_build_object('k', @)"}, {"bytea", "decode(md5((@)::text), 'hex')"}, {"bool", "@ % 2 = 0"},
	{"inet", "inet '10.0.0.0' + @"}, {"macaddr", "macaddr '08:00:2b:01:02:03'"}, {"point", "point(@, 1)"}, {"box", "box(point(@, 1), point(0, 0))"}, {"money", "(@ % 1000)::money"}, {"bit(5)", "(@ % 32)::bit(5)"}, {"varbit", "(@ % 32)::bit(5)"},
	{"int[]", "ARRAY[@, NULL, 3]"}, {"text[]", "ARRAY[[md5((@)::text)], ['x']]"}, {"tsvector", "to_tsvector('simple', md5((@)::text))"}, {"int4range", "int4range(@, @ + 5)"}, {"int4multirange", "int4multirange(int4range(@, @ + 5))"}, {"tstzrange", "tstzrange('2000-01-01', NULL)"},
	{"oid", "(@)::oid"}, {"pg_lsn", "'1/2'::pg_lsn"}, {"xml", "('<a>' || @ || '</a>')::xml"}, {"daterange[]", "ARRAY[daterange('2000-01-01', NULL)]"},
}

// types makes types of people's own, upon each other.
func (m *maker) types() {
	m.kinds = append(m.kinds, builtin...)
	if m.one(3) { // makes the whole job go in text
		m.kinds = append(m.kinds, kind{"tsquery", "('q' || @)::tsquery"}, kind{"regclass", "'pg_class'::regclass"}, kind{"regtype", "'int'::regtype"}, kind{"regrole", "current_user::regrole"})
	}
	for range 2 + m.size/10 {
		m.enumType()
		m.domain()
		m.composite()
		m.domain()
		m.rangeType()
	}
	if !m.plain {
		shell, _ := m.within("shell")
		m.do("CREATE TYPE %s", shell)
		m.baseType()
	}
}

// learn is a type made by its SQL, that columns may have and arrays of it.
func (m *maker) learn(name, value string) {
	array := "ARRAY[" + value + ", NULL]"
	if m.arrays[name] { // ARRAY[] of them would be one array of more dimensions
		array = "'{}'::" + name + "[]"
	}
	m.arrays[name+"[]"] = true
	m.kinds = append(m.kinds, kind{name, value}, kind{name + "[]", array})
	if m.one(3) {
		m.do("COMMENT ON TYPE %s IS %s", name, m.text())
	}
	if m.one(3) {
		m.do("GRANT USAGE ON TYPE %s TO %s", name, m.role())
	}
	if m.one(4) {
		m.do("REVOKE USAGE ON TYPE %s FROM PUBLIC", name)
	}
	m.do("ALTER TYPE %s OWNER TO %s", name, m.role())
}

func (m *maker) enumType() {
	name, _ := m.within("enum")
	m.do("CREATE TYPE %s AS ENUM ('a', 'it''s', 'z;')", name)
	m.do("ALTER TYPE %s ADD VALUE 'größe' BEFORE 'a'", name)
	m.do("ALTER TYPE %s ADD VALUE '' AFTER 'a'", name)
	m.do("ALTER TYPE %s RENAME VALUE 'z;' TO 'ÿ, \"q\"'", name)
	m.enum = kind{name, "CASE @ % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'größe' ELSE 'it''s' END::" + name}
	m.learn(name, m.enum.value)
}

func (m *maker) domain() {
	name, _ := m.within("dom")
	of := pick(m, m.kinds)
	m.do("CREATE DOMAIN %s AS %s CONSTRAINT %s CHECK (VALUE IS DISTINCT FROM NULL OR VALUE IS NULL)", name, of.name, m.name("c"))
	if m.one(3) {
		m.do("ALTER DOMAIN %s ADD CONSTRAINT %s CHECK (VALUE IS NULL OR true) NOT VALID", name, m.name("c"))
	}
	m.arrays[name] = m.arrays[of.name] || strings.HasSuffix(of.name, "[]")
	m.learn(name, "("+of.value+")::"+name)
}

func (m *maker) composite() {
	name, _ := m.within("comp")
	a, b, c := pick(m, m.kinds), pick(m, m.kinds), pick(m, m.kinds)
	first := m.name("f")
	m.do("CREATE TYPE %s AS (%s %s, gone int, %s %s, %s %s)", name, first, a.name, m.name("f"), b.name, m.name("f"), c.name)
	m.do("ALTER TYPE %s DROP ATTRIBUTE gone", name)
	m.do("COMMENT ON COLUMN %s.%s IS %s", name, first, m.text())
	m.learn(name, fmt.Sprintf("ROW(%s, %s, %s)::%s", a.value, b.value, c.value, name))
}

func (m *maker) rangeType() {
	name, bare := m.within("range")
	of := pick(m, []kind{m.enum, {"text", "md5((@)::text)"}, {"numeric", "@ / 7.0"}, {"uuid", "md5((@)::text)::uuid"}})
	more := ""
	if of.name == "text" {
		more = `, collation = "C"`
	}
	if m.one(2) {
		d, _ := m.within("dom")
		m.do("CREATE DOMAIN %s AS %s", d, of.name)
		of.name = d
	}
	if m.one(2) {
		multi, _ := m.within("multi")
		more += ", multirange_type_name = " + multi
	}
	m.do("CREATE TYPE %s AS RANGE (subtype = %s%s)", name, of.name, more)
	m.learn(name, name[:len(name)-len(bare)]+bare+"(NULL, "+of.value+")")
}

// baseType is one of a superuser's, with input and output of PostgreSQL's own.
func (m *maker) baseType() {
	name, _ := m.within("base")
	in, _ := m.within("base_in")
	out, _ := m.within("base_out")
	m.do("CREATE TYPE %s", name)
	m.do("CREATE FUNCTION %s(cstring) RETURNS %s LANGUAGE internal IMMUTABLE STRICT AS 'int4in'", in, name)
	m.do("CREATE FUNCTION %s(%s) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out'", out, name)
	m.do("CREATE TYPE %s (INPUT = %s, OUTPUT = %s, LIKE = int4, CATEGORY = 'N')", name, in, out)
	m.kinds = append(m.kinds, kind{name, "((@)::text)::" + name})
}

// functions makes functions of every form, and those that others need.
func (m *maker) functions() {
	for range 3 + m.size/10 {
		f, _ := m.within("touch")
		m.do("CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN\n-- %s\nIF TG_OP = 'DELETE' OR TG_LEVEL = 'STATEMENT' THEN RETURN OLD; END IF; RETURN NEW; END $f$", f, strings.NewReplacer("\n", " ", "\r", " ").Replace(m.text()))
		m.do("ALTER FUNCTION %s() OWNER TO %s", f, m.role())
		m.triggerFns = append(m.triggerFns, f)
		g, _ := m.within("calc")
		m.do("CREATE FUNCTION %s(%s bigint DEFAULT 1) RETURNS bigint LANGUAGE sql IMMUTABLE %s AS 'SELECT $1 + 1'", g, m.name("arg"), pick(m, []string{"", "STRICT", "COST 3", "PARALLEL SAFE COST 7", "SECURITY DEFINER SET search_path = public"}))
		m.immutable = append(m.immutable, g)
		m.function()
	}
}

func (m *maker) function() {
	f, _ := m.within("fn")
	k := pick(m, m.kinds)
	arg := m.name("arg")
	sig := ""
	switch m.r.IntN(7) {
	case 0:
		sig = fmt.Sprintf("(%s, text[])", k.name)
		m.do("CREATE FUNCTION %s(%s %s, VARIADIC v text[] DEFAULT '{\"a;b\"}') RETURNS SETOF text LANGUAGE sql STABLE ROWS 5 AS $x$ SELECT unnest(v) $x$", f, arg, k.name)
	case 1:
		sig = "(int)"
		m.do("CREATE FUNCTION %s(a int, OUT %s %s, OUT o2 int) LANGUAGE plpgsql SET work_mem = '5MB' SET search_path TO %s, pg_temp AS 'BEGIN o2 := a; END'", f, arg, k.name, pick(m, m.schemaNames))
	case 2:
		sig = "(int)"
		m.do("CREATE FUNCTION %s(a int) RETURNS TABLE (x int, %s %s) LANGUAGE sql BEGIN ATOMIC SELECT a, NULL::%s; END", f, arg, k.name, k.name)
	case 3:
		m.do("CREATE PROCEDURE %s(INOUT %s %s) LANGUAGE plpgsql SECURITY DEFINER AS %s", f, arg, k.name, "'BEGIN NULL; END'")
		m.do("ALTER PROCEDURE %s(%s) OWNER TO %s", f, k.name, m.role())
		m.do("COMMENT ON PROCEDURE %s(%s) IS %s", f, k.name, m.text())
		return
	case 4:
		sig = "(anyelement, anyarray)"
		m.do("CREATE FUNCTION %s(a anyelement, b anyarray) RETURNS anyelement LANGUAGE sql CALLED ON NULL INPUT AS 'SELECT a'", f)
	case 5:
		sig = "(" + k.name + ")"
		m.do("CREATE FUNCTION %s(%s) RETURNS %s LANGUAGE sql RETURN $1", f, k.name, k.name)
	default:
		sig = "(int)"
		m.do("CREATE AGGREGATE %s(%s int) (SFUNC = pg_catalog.int4pl, STYPE = int, INITCOND = '0', PARALLEL = SAFE)", f, "")
		m.do("ALTER AGGREGATE %s(int) OWNER TO %s", f, m.role())
		m.do("COMMENT ON AGGREGATE %s(int) IS %s", f, m.text())
		return
	}
	m.do("ALTER FUNCTION %s%s OWNER TO %s", f, sig, m.role())
	if m.one(2) {
		m.do("REVOKE EXECUTE ON FUNCTION %s%s FROM PUBLIC", f, sig)
	}
	m.do("GRANT EXECUTE ON FUNCTION %s%s TO %s", f, sig, m.role())
	m.do("COMMENT ON FUNCTION %s%s IS %s", f, sig, m.text())
}

func (m *maker) sequences() {
	for range 2 + m.size/10 {
		s, _ := m.within("seq")
		m.do("CREATE SEQUENCE %s %s", s, pick(m, []string{"", "AS smallint CYCLE CACHE 3", "INCREMENT -3 MAXVALUE -1 MINVALUE -5000 START -7", "AS int START 5 MINVALUE -10 CYCLE", "INCREMENT 1000000007", "MAXVALUE 7 CYCLE", "AS bigint MINVALUE -9223372036854775808 START -9223372036854775808"}))
		m.do("ALTER SEQUENCE %s OWNER TO %s", s, m.role())
		if m.one(2) {
			m.do("GRANT USAGE ON SEQUENCE %s TO %s", s, pick(m, []string{"PUBLIC", m.role()}))
			m.do("COMMENT ON SEQUENCE %s IS %s", s, m.text())
		}
		if m.one(3) {
			m.do("SELECT nextval(%s)", pg.Literal(s))
		}
		m.seqs = append(m.seqs, s)
		m.Writes = append(m.Writes, fmt.Sprintf("SELECT nextval(%s)", pg.Literal(s)))
	}
}
