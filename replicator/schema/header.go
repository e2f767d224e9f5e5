package schema

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	tocLine  = regexp.MustCompile(`^-- TOC entry (\d+) \(class (\d+) OID (\d+)\)$`)
	depsLine = regexp.MustCompile(`^-- Dependencies:((?: \d+)+)$`)
	nameLine = regexp.MustCompile(`^-- Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: (.*?)(?:; Tablespace: .*)?$`)
)

// comment takes a comment line outside of everything: the parts of a header, or noise.
func (c *cutter) comment(line string) error {
	if m := tocLine.FindStringSubmatch(line); m != nil {
		c.end()
		c.begun = true
		c.entries = append(c.entries, Entry{ID: number(m[1]), Class: oid(m[2]), OID: oid(m[3]), Settings: c.settings})
		return nil
	}
	if !c.begun {
		return nil
	}
	e := &c.entries[len(c.entries)-1]
	if m := depsLine.FindStringSubmatch(line); m != nil && e.Type == "" {
		for id := range strings.FieldsSeq(m[1]) {
			e.Depends = append(e.Depends, number(id))
		}
		return nil
	}
	if m := nameLine.FindStringSubmatch(line); m != nil && e.Type == "" {
		return c.named(e, m)
	}
	return nil
}

// named fills in the rest of the header and holds it against the listing.
func (c *cutter) named(e *Entry, m []string) error {
	e.Name, e.Type, e.Schema, e.Owner = m[1], m[2], m[3], m[4]
	if e.Owner == "-" {
		e.Owner = ""
	}
	said := strings.TrimSuffix(fmt.Sprintf("%d %d %s %s %s %s", e.Class, e.OID, e.Type, e.Schema, e.Name, e.Owner), " ")
	if want := strings.TrimSuffix(c.listed[e.ID], " "); said != want {
		return fmt.Errorf("read archive: entry %d is not the one that is listed", e.ID)
	}
	if e.Schema == "-" {
		e.Schema = ""
	}
	return nil
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // matched digits; one that overflows is in no listing
	return n
}

// unquote takes the quotes off a string constant or name without escapes.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') && s[len(s)-1] == s[0] {
		q := s[:1]
		return strings.ReplaceAll(s[1:len(s)-1], q+q, q)
	}
	return s
}
