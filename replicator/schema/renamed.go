package schema

import (
	"regexp"
	"slices"
	"strings"

	"replicator/chunker"
	"replicator/replicator/ddl"
	"replicator/replicator/pg"
)

// Renamed is a relation that is called otherwise than in the plan of the schema.
type Renamed struct {
	Was ddl.Name `json:"was"`
	Is  ddl.Name `json:"is"`
}

// Spelled gives what turns the names that relations have now into those that they had, in SQL of a dump, so
// that it can be held against an older one. A name that was given up and is another's now becomes none at all.
func Spelled(list []Renamed) func(sql string) string {
	if len(list) == 0 {
		return AsIs
	}
	to := map[ddl.Name]string{}
	for _, r := range list {
		to[r.Was] = `"another one"`
	}
	for _, r := range list {
		to[r.Is] = pg.Ident(r.Was.Schema, r.Was.Name)
	}
	return func(sql string) string {
		return replaceNames(sql, func(n ddl.Name, rest string) (string, bool) {
			s, ok := to[n]
			if strings.HasPrefix(rest, " OWNER TO ") { // of pg_restore, which does not quote all names
				s = unneeded.ReplaceAllString(s, "$1")
			}
			return s, ok
		})
	}
}

var unneeded = regexp.MustCompile(`"([a-z_][a-z0-9_]*)"`)

// AsIs is for a schema in which no relation is renamed.
func AsIs(sql string) string { return sql }

// followed are the kinds of steps in which a table's new name can simply take the place of the old one:
// nothing in them calls a column by its table.
var followed = []string{"TRIGGER", "ROW SECURITY", "FK CONSTRAINT", "CHECK CONSTRAINT", KindValidate, KindIdentity, "TABLE ATTACH", "ACL"}

// dumpedAgain are those that are renewed where their table is called otherwise, see [Renewal].
var dumpedAgain = []string{"RULE", "POLICY"}

// Following are steps as they have to be for relations that are called otherwise by now.
func Following(steps []Step, list []Renamed) []Step {
	if len(list) == 0 {
		return steps
	}
	to, names := map[ddl.Name]string{}, map[string]string{}
	for _, r := range list {
		to[r.Was], names[r.Was.String()] = pg.Ident(r.Is.Schema, r.Is.Name), r.Is.String()
	}
	replace := func(n ddl.Name, _ string) (string, bool) { s, ok := to[n]; return s, ok }
	steps = slices.Clone(steps)
	for i := range steps {
		s := &steps[i]
		if slices.Contains(followed, s.Kind) {
			s.SQL, s.Undo = replaceNames(s.SQL, replace), replaceNames(s.Undo, replace)
		} else if !slices.Contains(dumpedAgain, s.Kind) {
			continue
		}
		s.Name, s.Table = renamedTag(s.Name, names), renamedTag(s.Table, names)
	}
	return steps
}

// renamedTag is a name that is a table's or begins with it.
func renamedTag(name string, names map[string]string) string {
	for was, is := range names {
		if rest, ok := strings.CutPrefix(name, was); ok && (rest == "" || rest[0] == ' ' || rest[0] == '.') {
			return is + rest
		}
	}
	return name
}

// dependent are the kinds of steps that are nothing without any table that they name.
var dependent = []string{"FK CONSTRAINT", "INDEX", "TABLE ATTACH", "COMMENT", "ACL"}

// Without leaves out the steps of tables and views that are gone: all that is theirs, and keys that point to them.
func Without(steps []Step, gone []ddl.Name) []Step {
	if len(gone) == 0 {
		return steps
	}
	m, away := merger{}, map[string]bool{}
	for _, n := range gone {
		m.gone, away[n.String()] = append(m.gone, chunker.Table{Schema: n.Schema, Name: n.Name}), true
	}
	out := map[string]bool{} // foreign keys, whose validation goes as well
	return slices.DeleteFunc(slices.Clone(steps), func(s Step) bool {
		named := false
		if slices.Contains(dependent, s.Kind) {
			replaceNames(s.SQL, func(n ddl.Name, _ string) (string, bool) { named = named || away[n.String()]; return "", false })
		}
		named = named || m.belongs(&s) || s.Kind == KindRefresh && away[s.Name] || s.Kind == KindValidate && out[s.Name]
		out[s.Name] = out[s.Name] || named && s.Kind == "FK CONSTRAINT"
		return named
	})
}

// Ruled are the tables that have rules or policies among steps.
func Ruled(steps []Step, tables []chunker.Table) (list []chunker.Table) {
	for i := range tables {
		if slices.ContainsFunc(steps, func(s Step) bool { return rules(&tables[i], &s) }) {
			list = append(list, tables[i])
		}
	}
	return list
}

func rules(t *chunker.Table, s *Step) bool {
	return slices.Contains(dumpedAgain, s.Kind) && strings.HasPrefix(s.Name, t.String()+" ")
}

// Pinning are the names in the texts of steps that cannot follow a table to another name, and are not
// dumped again either, as those of the ruled tables are.
func Pinning(steps []Step, ruled []chunker.Table) map[string]bool {
	names := map[string]bool{}
	for i := range steps {
		s := &steps[i]
		if slices.Contains(followed, s.Kind) || slices.ContainsFunc(ruled, func(t chunker.Table) bool { return rules(&t, s) }) {
			continue
		}
		replaceNames(s.SQL, func(n ddl.Name, _ string) (string, bool) { names[n.String()] = true; return "", false })
	}
	return names
}

// replaceNames puts other text in place of qualified names in SQL. What stands in strings is none, and a
// function is not a table of its name. with is told what follows, too.
func replaceNames(sql string, with func(n ddl.Name, rest string) (string, bool)) string {
	var out strings.Builder
	var l lexer
	for i := 0; i < len(sql); {
		n, end := ddl.Name{}, i
		if l.top() && (i == 0 || !wordByte(sql[i-1]) && sql[i-1] != '.' && sql[i-1] != '"') {
			n, end = qualifiedAt(sql, i)
		}
		if end < len(sql) && sql[end] == '(' && !strings.HasSuffix(sql[:i], "REFERENCES ") {
			end = i
		}
		if end == i {
			step := l.step(sql, i)
			out.WriteString(sql[i:min(i+step, len(sql))])
			i += step
			continue
		}
		if s, ok := with(n, sql[end:]); ok {
			out.WriteString(s)
		} else {
			out.WriteString(sql[i:end])
		}
		i = end
	}
	return out.String()
}

// qualifiedAt reads a name with its schema; end is i where there is none.
func qualifiedAt(sql string, i int) (n ddl.Name, end int) {
	first, dot := identAt(sql, i)
	if dot == i || dot >= len(sql) || sql[dot] != '.' {
		return n, i
	}
	second, after := identAt(sql, dot+1)
	if after == dot+1 {
		return n, i
	}
	return ddl.Name{Schema: first, Name: second}, after
}

func identAt(sql string, i int) (name string, end int) {
	end = i
	if i < len(sql) && sql[i] == '"' {
		var l lexer
		for end += l.step(sql, end); end < len(sql) && !l.top(); {
			end += l.step(sql, end)
		}
		return strings.ReplaceAll(sql[i+1:max(end-1, i+1)], `""`, `"`), end
	}
	if i < len(sql) && sql[i] >= '0' && sql[i] <= '9' {
		return "", i
	}
	for end < len(sql) && wordByte(sql[end]) {
		end++
	}
	return sql[i:end], end
}
