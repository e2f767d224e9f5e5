package schema

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
)

// Entry is one item of the archive's table of contents with all its SQL.
type Entry struct {
	ID       int    // dump ID: unique in the archive, another one in the next
	Class    uint32 // catalog of the object, and its OID there, on the dumped side; 0 for ACLs and comments
	OID      uint32
	Type     string // pg_dump's word: TABLE, FK CONSTRAINT, ACL, ...
	Schema   string // "" where the object has none
	Name     string // pg_dump's tag: "orders", "orders orders_pkey", "TABLE orders", "total(integer)"
	Owner    string // "" where the object has none
	Depends  []int  // IDs that come first
	SQL      string // its statements, comments stripped
	Settings map[string]string
}

// The settings that pg_restore changes between entries. They belong to the entry after them.
const (
	setTablespace   = "default_tablespace"
	setAccessMethod = "default_table_access_method"
)

// Entries reads an archive by pg_restore and cuts its script. A header counts only outside of
// strings, quoted names and dollar quotes, and only if the archive's listing has the very same
// entry; so no text in a function's body or a comment can pass for one. All that is listed must come.
func Entries(ctx context.Context, pgRestore, archive string) ([]Entry, error) {
	listed, err := list(ctx, pgRestore, archive)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, pgRestore, "--file=-", "--verbose", archive)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("pg_restore: %w", err)
	}
	c := cutter{listed: listed, settings: map[string]string{}}
	err = c.cut(out)
	if err != nil {
		_ = cmd.Process.Kill() // it would block on the pipe; Wait says that it was killed
	}
	if wait := cmd.Wait(); err == nil && wait != nil {
		err = fmt.Errorf("pg_restore: %w", wait)
	}
	if err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	if len(c.entries) != len(listed) {
		return nil, fmt.Errorf("read archive: %d entries are listed, %d came", len(listed), len(c.entries))
	}
	return c.entries, nil
}

// cutter cuts a script into entries, line by line.
type cutter struct {
	listed   map[int]string
	entries  []Entry
	settings map[string]string // in force; shared with the entries, so replaced, never changed
	mode     lexer
	sql      strings.Builder
	begun    bool // a header was seen
}

func (c *cutter) cut(r io.Reader) error {
	lines := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			if err := c.line(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("read script: %w", err)
		}
	}
	if !c.mode.top() {
		return errors.New("read script: it ends inside a string")
	}
	c.end()
	return nil
}

// line takes one line. Where it starts outside of everything it may be a header, another comment,
// a command to psql (\restrict) or a setting; none of these is part of the entry's SQL.
func (c *cutter) line(line string) error {
	if c.mode.top() {
		switch {
		case strings.HasPrefix(line, "--"):
			return c.comment(strings.TrimSuffix(line, "\n"))
		case strings.HasPrefix(line, `\`):
			return nil
		case c.setting(line):
			return nil
		}
		line = withoutAttver(line)
	}
	c.mode.feed(line)
	c.sql.WriteString(line)
	return nil
}

var settingLine = regexp.MustCompile(`^SET (` + setTablespace + `|` + setAccessMethod + `) = (.*);\n$`)

func (c *cutter) setting(line string) bool {
	m := settingLine.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	next := map[string]string{}
	for k, v := range c.settings {
		next[k] = v
	}
	next[m[1]] = unquote(m[2])
	c.settings = next
	return true
}

var columnOptions = regexp.MustCompile(`^(ALTER (?:FOREIGN )?TABLE ONLY .* ALTER COLUMN .* SET \()([^()]*)\);\n$`)

// withoutAttver takes pg_attver out of column options: a server of 15.20 or later keeps it there
// for itself, with another value on each side, and it cannot be set.
func withoutAttver(line string) string {
	m := columnOptions.FindStringSubmatch(line)
	if m == nil || !strings.Contains(m[2], "pg_attver") {
		return line
	}
	var keep []string
	for option := range strings.SplitSeq(m[2], ",") {
		if name := strings.Trim(strings.TrimSpace(option), `"`); !strings.HasPrefix(name, "pg_attver") {
			keep = append(keep, strings.TrimSpace(option))
		}
	}
	if len(keep) == 0 {
		return "\n"
	}
	return m[1] + strings.Join(keep, ", ") + ");\n"
}

// end closes the entry that is being read.
func (c *cutter) end() {
	if c.begun {
		c.entries[len(c.entries)-1].SQL = strings.Clone(strings.TrimSpace(c.sql.String()))
	}
	c.sql.Reset()
}
