package schema

import "strings"

// lexer knows where in a script a place lies: outside of everything, or in a string, a quoted
// name, a dollar quote or a block comment. It is PostgreSQL's lexical structure with
// standard_conforming_strings on, which the dump pins.
type lexer struct {
	in     string // "" outside; ' string, E string with backslashes, " name, * comment, or $tag$
	depth  int    // of block comments
	parens int
}

// top reports whether the place is outside of everything.
func (l *lexer) top() bool { return l.in == "" }

// feed moves the place over text, which must not end in the middle of a token. Lines and
// statements do not, as far as it matters: a quote doubled over a line's end cannot be.
func (l *lexer) feed(text string) {
	for i := 0; i < len(text); {
		i += l.step(text, i)
	}
}

// step takes one byte, or the few that belong together, and says how many they were.
func (l *lexer) step(text string, i int) int {
	switch l.in {
	case "":
		return l.outside(text, i)
	case "'", `"`:
		return l.quoted(text, i)
	case "E":
		if text[i] == '\\' {
			return 2
		}
		return l.quoted(text, i)
	case "*":
		return l.commented(text, i)
	}
	if strings.HasPrefix(text[i:], l.in) {
		n := len(l.in)
		l.in = ""
		return n
	}
	return 1
}

func (l *lexer) outside(text string, i int) int {
	switch c := text[i]; c {
	case '\'':
		l.in = "'"
		if i > 0 && text[i-1]|0x20 == 'e' && (i == 1 || !wordByte(text[i-2])) {
			l.in = "E"
		}
	case '"':
		l.in = `"`
	case '(':
		l.parens++
	case ')':
		l.parens--
	case '$':
		if tag := dollarTag(text[i:]); tag != "" && (i == 0 || !wordByte(text[i-1])) {
			l.in = tag
			return len(tag)
		}
	case '/':
		if strings.HasPrefix(text[i:], "/*") {
			l.in, l.depth = "*", 1
			return 2
		}
	case '-':
		if strings.HasPrefix(text[i:], "--") {
			return lineLength(text[i:])
		}
	}
	return 1
}

func (l *lexer) quoted(text string, i int) int {
	quote := l.in[0]
	if quote == 'E' {
		quote = '\''
	}
	if text[i] != quote {
		return 1
	}
	if i+1 < len(text) && text[i+1] == quote {
		return 2
	}
	l.in = ""
	return 1
}

func (l *lexer) commented(text string, i int) int {
	switch {
	case strings.HasPrefix(text[i:], "/*"):
		l.depth++
		return 2
	case strings.HasPrefix(text[i:], "*/"):
		if l.depth--; l.depth == 0 {
			l.in = ""
		}
		return 2
	}
	return 1
}

// dollarTag is the dollar quote that text starts with, or "".
func dollarTag(text string) string {
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '$':
			return text[:i+1]
		case !wordByte(c), i == 1 && c >= '0' && c <= '9':
			return ""
		}
	}
	return ""
}

// wordByte reports whether c may be in a name that is not quoted, or in a number.
func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

func lineLength(text string) int {
	if n := strings.IndexByte(text, '\n'); n >= 0 {
		return n + 1
	}
	return len(text)
}

// statements cuts SQL without BEGIN ATOMIC bodies at the semicolons that end statements.
func statements(sql string) []string {
	var list []string
	var l lexer
	start := 0
	for i := 0; i < len(sql); {
		if l.top() && l.parens == 0 && sql[i] == ';' {
			list = append(list, strings.TrimSpace(sql[start:i]))
			start = i + 1
		}
		i += l.step(sql, i)
	}
	if rest := strings.TrimSpace(sql[start:]); rest != "" {
		list = append(list, rest)
	}
	return list
}
