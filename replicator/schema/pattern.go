package schema

import (
	"errors"
	"strings"

	"replicator/replicator/pg"
)

// pattern is one -t, -T, -n or -N argument, cut at its dots and turned into regular expressions the
// way psql and pg_dump do it (processSQLNamePattern), so that a pattern means here what it means to
// the DBA who tried it with pg_dump. The server matches them: its dialect is part of the rule.
type pattern struct {
	database string // "" where none is given; a name, not an expression
	schema   string // anchored; "" where none is given
	name     string // anchored
}

var errDots = errors.New("too many dotted names")

// special is what a regular expression would take for itself and a quoted part means literally.
const special = `|*+?()[]{}.^$\`

// parseRelation takes a relation's name, with its schema or without, or both and the database.
func parseRelation(text string) (pattern, error) {
	parts, literals := splitPattern(text)
	p := pattern{name: anchored(parts[len(parts)-1])}
	switch len(parts) {
	case 3:
		p.database = literals[0]
		fallthrough
	case 2:
		if schema := parts[len(parts)-2]; schema != "" {
			p.schema = anchored(schema)
		}
		fallthrough
	case 1:
		return p, nil
	}
	return pattern{}, errDots
}

// parseSchema takes a schema's name. pg_dump refuses a database before it, so it is refused here.
func parseSchema(text string) (pattern, error) {
	parts, _ := splitPattern(text)
	if len(parts) > 1 {
		return pattern{}, errDots
	}
	return pattern{name: anchored(parts[0])}, nil
}

// splitPattern gives each dotted part as an expression and as the name it would be literally.
func splitPattern(text string) (parts, literals []string) {
	var expr, name strings.Builder
	end := func() {
		parts, literals = append(parts, expr.String()), append(literals, name.String())
		expr.Reset()
		name.Reset()
	}
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"' && quoted && i+1 < len(text) && text[i+1] == '"':
			expr.WriteByte(c)
			name.WriteByte(c)
			i++
			continue
		case c == '"':
			quoted = !quoted
			continue
		case c == '.' && !quoted:
			end()
			continue
		}
		expr.WriteString(patternByte(c, quoted, i+1 < len(text) && text[i+1] == ']'))
		name.WriteByte(lower(c, quoted))
	}
	end()
	return parts, literals
}

// patternByte is one byte of a pattern as an expression. Outside quotes what is special in an
// expression stays special, but for the dollar sign and an empty pair of brackets.
func patternByte(c byte, quoted, beforeBracket bool) string {
	switch {
	case c == '$', quoted && strings.IndexByte(special, c) >= 0, c == '[' && beforeBracket:
		return `\` + string(rune(c))
	case c == '*' && !quoted:
		return ".*"
	case c == '?' && !quoted:
		return "."
	}
	return string([]byte{lower(c, quoted)})
}

// lower folds ASCII only, as the server folds names that are not quoted.
func lower(c byte, quoted bool) byte {
	if !quoted && c >= 'A' && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

func anchored(expr string) string { return "^(" + expr + ")$" }

// match is the SQL condition that a column with a name matches expr.
func match(column, expr string) string {
	if expr == "^(.*)$" {
		return "true"
	}
	return column + ` OPERATOR(pg_catalog.~) ` + pg.Literal(expr) + ` COLLATE pg_catalog."default"`
}

// relation is the condition for pg_class c and pg_namespace n. Without a schema only what the
// search path shows is meant, as with pg_dump.
func (p pattern) relation() string {
	if p.schema == "" {
		return "(" + match("c.relname", p.name) + " AND pg_catalog.pg_table_is_visible(c.oid))"
	}
	return "(" + match("n.nspname", p.schema) + " AND " + match("c.relname", p.name) + ")"
}

// namespace is the condition for pg_namespace n.
func (p pattern) namespace() string { return "(" + match("n.nspname", p.name) + ")" }
