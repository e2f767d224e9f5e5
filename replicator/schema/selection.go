package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// Selection says which relations are meant, by patterns as pg_dump takes them. Empty means all of
// the database. As with pg_dump, Tables makes Schemas and ExcludeSchemas void, an exclusion wins
// over an inclusion, and a partition is matched by its own name, not by its parent's.
type Selection struct {
	Tables         []string `json:"tables,omitempty"`          // -t
	ExcludeTables  []string `json:"exclude_tables,omitempty"`  // -T
	Schemas        []string `json:"schemas,omitempty"`         // -n
	ExcludeSchemas []string `json:"exclude_schemas,omitempty"` // -N
}

// IsZero reports whether everything is meant.
func (s Selection) IsZero() bool {
	return len(s.Tables)+len(s.ExcludeTables)+len(s.Schemas)+len(s.ExcludeSchemas) == 0
}

// Args are the options that say the same to pg_dump, which would take catalogs for -t '*'.
func (s Selection) Args() []string {
	if len(s.Tables) > 0 {
		s.ExcludeTables = append([]string{"pg_*.*", "information_schema.*", "replicator.*"}, s.ExcludeTables...)
	}
	s.ExcludeSchemas = append([]string{"replicator"}, s.ExcludeSchemas...)
	var args []string
	for _, o := range s.options() {
		for _, p := range o.patterns {
			args = append(args, o.flag+p)
		}
	}
	return args
}

// option is one kind of pattern, as pg_dump names it.
type option struct {
	flag     string
	patterns []string
	schema   bool // it names schemas, not relations
	include  bool
}

func (s Selection) options() []option {
	return []option{
		{flag: "--table=", patterns: s.Tables, include: true},
		{flag: "--exclude-table=", patterns: s.ExcludeTables},
		{flag: "--schema=", patterns: s.Schemas, schema: true, include: true},
		{flag: "--exclude-schema=", patterns: s.ExcludeSchemas, schema: true},
	}
}

// userSchema leaves out what belongs to the server, and our own schema on a database that was a
// target once. Names that start with pg_ cannot be made by users.
const userSchema = `n.nspname !~ '^pg_' AND n.nspname <> ALL ('{information_schema,replicator}')`

// member is the condition that c belongs to an extension and comes with it.
const member = `EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass
	AND x.objid = c.oid AND x.deptype = 'e')`

// oids finds the relations of every kind that sel means, as an array literal for oid[].
// An inclusion that finds nothing is a mistake of whoever typed it, and is never passed over.
func (s Selection) oids(ctx context.Context, conn *pg.Conn) (string, error) {
	cond, err := s.condition(ctx, conn)
	if err != nil {
		return "", err
	}
	rows, err := atUsersPath(ctx, conn, `SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
			AND `+userSchema+` AND NOT `+member+` AND `+cond)
	if err != nil {
		return "", fmt.Errorf("select relations: %w", err)
	}
	return oidArray(rows), nil
}

// condition is the selection as SQL over pg_class c and pg_namespace n.
func (s Selection) condition(ctx context.Context, conn *pg.Conn) (string, error) {
	var compiled [4]string // as options gives them; "" where there is no pattern
	for i, o := range s.options() {
		var conds []string
		for _, text := range o.patterns {
			cond, err := o.compile(ctx, conn, text)
			if err != nil {
				return "", err
			}
			conds = append(conds, cond)
		}
		compiled[i] = strings.Join(conds, " OR ")
	}
	return combine(compiled), nil
}

// combine applies pg_dump's precedence: tables asked for make the schema options void.
func combine(compiled [4]string) string {
	table, noTable, namespace, noNamespace := compiled[0], compiled[1], compiled[2], compiled[3]
	if table != "" {
		namespace, noNamespace = "", ""
	}
	cond := "true"
	for _, c := range []string{table, namespace} {
		if c != "" {
			cond += " AND (" + c + ")"
		}
	}
	for _, c := range []string{noTable, noNamespace} {
		if c != "" {
			cond += " AND NOT (" + c + ")"
		}
	}
	return cond
}

// compile turns one pattern into SQL and, for an inclusion, sees that it finds something.
func (o option) compile(ctx context.Context, conn *pg.Conn, text string) (string, error) {
	refused := func(err error, hint string) error {
		return fault.New(fault.Usage, fmt.Errorf("%s%s: %w", o.flag, text, err), hint)
	}
	p, err := o.parse(text)
	if err != nil {
		return "", refused(err, "")
	}
	if err := sameDatabase(ctx, conn, p); err != nil {
		return "", refused(err, "")
	}
	cond, from := p.relation(), `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace`
	if o.schema {
		cond, from = p.namespace(), `pg_namespace n`
	}
	rows, err := atUsersPath(ctx, conn, `SELECT 1 FROM `+from+` WHERE `+cond+` LIMIT 1`)
	if pg.State(err) == "2201B" {
		return "", refused(errors.New("it is no regular expression"), "")
	}
	if err != nil {
		return "", fmt.Errorf("match pattern: %w", err)
	}
	if len(rows) == 0 && o.include {
		return "", refused(errors.New("nothing matches"),
			"quote names that are not all lower case, and give the schema of tables outside the search path")
	}
	return cond, nil
}

func (o option) parse(text string) (pattern, error) {
	if o.schema {
		return parseSchema(text)
	}
	return parseRelation(text)
}

// sameDatabase refuses a pattern that names another database.
func sameDatabase(ctx context.Context, conn *pg.Conn, p pattern) error {
	if p.database == "" {
		return nil
	}
	name, err := conn.Value(ctx, `SELECT current_database()`)
	if err != nil {
		return err
	}
	if name != p.database {
		return errors.New("it names another database")
	}
	return nil
}
