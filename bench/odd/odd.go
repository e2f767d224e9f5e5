// Package odd makes databases of odd objects at random: names that must be quoted, tables of every
// shape, views upon views, triggers in every state, rights, comments, and whatever else PostgreSQL lets
// people do. The same seed makes the same database. Tests move them.
package odd

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"replicator/replicator/pg"
)

// Database is the statements that make one, and those that keep changing its rows.
type Database struct {
	Roles []string // that the server has to have, with their memberships, on both sides
	Begin []string // what a superuser does in the database first
	Setup []string // in order, as a superuser or, in a plain database, as Names[0]
	// Writes are what its users go on to do. Fill puts numbers in. They may be refused by a constraint.
	Writes []string
}

// Rows is how many rows a table begins with.
const Rows = 40

// Fill puts a number that is new, and one of a row that may be there, into a statement of Writes.
func Fill(write string, fresh, old int) string {
	return strings.NewReplacer("@", fmt.Sprint(fresh), "#", fmt.Sprint(old)).Replace(write)
}

// Make makes about size tables, for a server of the version. In a plain one nothing is a superuser's.
func Make(seed uint64, size, version int, plain bool) *Database {
	m := &maker{r: rand.New(rand.NewPCG(seed, 1)), version: version, plain: plain, admin: "postgres", used: map[string]bool{}, arrays: map[string]bool{}, size: size}
	if plain {
		m.admin = Names[0]
	}
	m.roles()
	m.schemas()
	m.extensions()
	m.types()
	m.functions()
	m.sequences()
	for range size {
		m.table()
	}
	for range size/8 + 1 {
		m.partitioned()
		m.heirs()
	}
	m.wide()
	m.references()
	m.views()
	for _, t := range m.tables {
		m.indexes(t)
		m.triggers(t)
		m.adorn(t)
	}
	if !plain {
		m.foreign()
	}
	m.searching()
	m.operators()
	m.whole()
	return &m.Database
}

// maker holds what is made so far, for others to refer to.
type maker struct {
	Database
	r       *rand.Rand
	version int
	plain   bool
	admin   string
	size    int
	used    map[string]bool // names, folded to what is unique everywhere

	schemaNames []string // quoted
	kinds       []kind
	arrays      map[string]bool // types that are arrays, or domains over them
	enum        kind
	triggerFns  []string
	immutable   []string // functions of int that are immutable
	seqs        []string
	tables      []*table
}

// kind is a type with an expression for a value of it: @ stands for a number.
type kind struct{ name, value string }

// table is one that rows go to.
type table struct {
	name   string // quoted, with its schema
	bare   string // quoted
	cols   []column
	key    string // quoted column that holds a number of its own, "" for none
	heir   bool   // it gets no columns of its own
	parted bool
	keyed  bool // key is a primary key that others can refer to
}

type column struct {
	name string // quoted
	kind kind
}

func (m *maker) do(format string, args ...any) {
	m.Setup = append(m.Setup, fmt.Sprintf(format, args...))
}

func (m *maker) one(n int) bool { return m.r.IntN(n) == 0 }

func pick[T any](m *maker, from []T) T { return from[m.r.IntN(len(from))] }

// shapes are what is wrong with names; %s is a name that is unique.
var shapes = []string{
	"%s", "%s", "%s", "Upper %s", "%s Case", `quo"te %s`, "it's %s", "dot.ted.%s", `"%s"`, "semi;colon %s", `back\slash %s`, "$$%s$$", "-- %s", "/* %s",
	"größe_%s", "日本_%s", "😀 %s", "select %s", " lead %s", "trail %s ", "per%%cent %s", "st*r?%s", "brace{%s}", "(par) %s", "a,b %s", "%s[1]",
	"tab\t%s", "line\nbreak %s", "é́combining %s", "@at #hash %s", "*", "a=b&c %s", "~%s", "%s:1", "'%s'", "; DROP TABLE %s", "%s é", "$1 %s", "$a$ %s",
	"pg %s", "ELSE", "%s/slash", "&lt;%s", "[%s]",
}

// keywords must be quoted, each is used once in a schema of its own.
var keywords = []string{"select", "user", "order", "table", "group", "default", "check", "all", "analyze", "from", "to", "end", "primary", "references", "only", "column", "Table", "public", "null", "true", "current_user"}

// name is a name that nothing else has, quoted.
func (m *maker) name(base string) string {
	for {
		unique := fmt.Sprintf("%s%d", base, len(m.used))
		var s string
		switch n := m.r.IntN(20); {
		case n < 8:
			s = unique
		case n == 8:
			s = pick(m, keywords)
		case n == 9: // as long as a name can be, in bytes
			s = unique + "_" + strings.Repeat("x", 63-len(unique)-1)
		case n == 10:
			s = unique + strings.Repeat("é", (63-len(unique))/2)
		default:
			shape := pick(m, shapes)
			if s = shape; strings.Contains(shape, "%s") {
				s = fmt.Sprintf(shape, unique)
			}
		}
		// @ and # stand for numbers in what is written.
		s = strings.NewReplacer("@", "a", "#", "h").Replace(s)
		if len(s) > 63 || m.used[s] {
			m.used[unique] = true
			continue
		}
		m.used[s] = true
		return pg.Ident(s)
	}
}

func (m *maker) role() string { return pg.Ident(pick(m, Names)) }

// within is a name with a schema before it.
func (m *maker) within(base string) (whole, bare string) {
	bare = m.name(base)
	return pick(m, m.schemaNames) + "." + bare, bare
}

// text is a literal that is hard to carry.
func (m *maker) text() string {
	return pg.Literal(pick(m, []string{"plain", "it's", "a;b", "$$", "\\", "line\nbreak", "-- Name: x; Type: TABLE; Schema: y; Owner: z\n", "tab\there", "", "größe 日本 😀", "\\restrict x", "/* */", "\r\n"}))
}

// Names are the roles that own things. Roles makes them, as often as it is run.
var Names = []string{"odd_plain", "odd-hyphen", "Odd Ünïcode", `odd"quote`, "odd_group"}

func (m *maker) roles() {
	for _, n := range Names {
		m.Roles = append(m.Roles, "DO $do$ BEGIN CREATE ROLE "+pg.Ident(n)+"; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $do$")
	}
	m.Roles = append(m.Roles, `GRANT odd_group TO "odd-hyphen"`, `GRANT odd_group, "odd-hyphen", "Odd Ünïcode", "odd""quote" TO odd_plain`, "ALTER ROLE odd_plain LOGIN")
	m.Begin = append(m.Begin, "DO $do$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO odd_plain', current_database()); END $do$", "ALTER SCHEMA public OWNER TO odd_plain")
}

func (m *maker) schemas() {
	m.schemaNames = []string{"public"}
	for range 3 + m.size/20 {
		s := m.name("s")
		if strings.HasPrefix(s, `"pg_`) || s == `"public"` {
			continue
		}
		m.schemaNames = append(m.schemaNames, s)
		m.do("CREATE SCHEMA %s AUTHORIZATION %s", s, m.role())
		for _, n := range Names {
			m.do("GRANT CREATE, USAGE ON SCHEMA %s TO %s", s, pg.Ident(n))
		}
		if m.one(2) {
			m.do("COMMENT ON SCHEMA %s IS %s", s, m.text())
		}
		m.privileges(s)
	}
	if m.one(2) {
		m.do("COMMENT ON SCHEMA public IS NULL")
	}
	for _, n := range Names {
		m.do("GRANT CREATE ON SCHEMA public TO %s", pg.Ident(n))
	}
	for _, less := range []string{"EXECUTE ON FUNCTIONS FROM PUBLIC", "USAGE ON TYPES FROM PUBLIC", "ALL ON TABLES FROM "} {
		r := m.role()
		if r == pg.Ident(m.admin) || !m.one(2) { // who goes on to use what it has made and given away
			continue
		}
		if strings.HasSuffix(less, " FROM ") {
			less += r
		}
		m.do("ALTER DEFAULT PRIVILEGES FOR ROLE %s REVOKE %s", r, less)
	}
}

// privileges are rights that objects get when they are made.
func (m *maker) privileges(schema string) {
	for range m.r.IntN(3) {
		what := pick(m, []string{"SELECT ON TABLES", "ALL ON SEQUENCES", "INSERT, UPDATE ON TABLES", "USAGE ON TYPES", "EXECUTE ON FUNCTIONS", "ALL ON TABLES"})
		to := pick(m, []string{m.role(), "PUBLIC", m.role() + " WITH GRANT OPTION"})
		m.do("ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA %s GRANT %s TO %s", m.role(), schema, what, to)
	}
}

func (m *maker) extensions() {
	for _, e := range []string{"hstore", "citext", "ltree", "btree_gist", "pg_trgm", "postgres_fdw", "lo", "intarray"} {
		if m.one(4) && e != "postgres_fdw" && e != "btree_gist" || m.plain && e == "postgres_fdw" {
			continue
		}
		to := pick(m, m.schemaNames)
		if m.plain { // an extension's owner may not move it
			m.do("CREATE EXTENSION %s WITH SCHEMA %s", e, to)
		} else {
			m.do("CREATE EXTENSION %s WITH SCHEMA %s", e, pick(m, m.schemaNames))
			m.do("ALTER EXTENSION %s SET SCHEMA %s", e, to)
		}
		switch e {
		case "hstore", "citext", "ltree":
			value := map[string]string{"hstore": "'k'::text", "citext": "('X' || @)", "ltree": "('a.b' || @)"}[e]
			if e == "hstore" {
				value = "('k=>' || @)"
			}
			m.kinds = append(m.kinds, kind{to + "." + e, value + "::" + to + "." + e})
		}
		if m.one(3) {
			m.do("COMMENT ON EXTENSION %s IS %s", e, m.text())
		}
	}
}
