package schema

import (
	"maps"
	"slices"
	"strings"
)

// plainKeywords takes apart libpq's keyword form: name = value, a value in single quotes where it
// has blanks, a backslash before a quote or backslash.
func plainKeywords(dsn string) (map[string]string, error) {
	kv := map[string]string{}
	rest := strings.TrimSpace(dsn)
	for rest != "" {
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			return nil, errDSN
		}
		value, left, ok := keywordValue(strings.TrimLeft(after, " \t\r\n"))
		if !ok {
			return nil, errDSN
		}
		name = strings.TrimSpace(name)
		if name == "database" {
			name = "dbname"
		}
		kv[name] = value
		rest = strings.TrimSpace(left)
	}
	return kv, nil
}

// keywordValue reads one value off the front of s.
func keywordValue(s string) (value, rest string, ok bool) {
	quoted := strings.HasPrefix(s, "'")
	if quoted {
		s = s[1:]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case quoted && c == '\'':
			return b.String(), s[i+1:], true
		case !quoted && strings.IndexByte(" \t\r\n", c) >= 0:
			return b.String(), s[i:], true
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), "", !quoted
}

// quoteKeyword is a value for the keyword form.
func quoteKeyword(v string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v) + "'"
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
