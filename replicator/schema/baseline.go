package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	"replicator/replicator/ddl"
	"replicator/replicator/pg"
)

// Baseline is a schema as it was dumped, by object: enough to tell later what was made, changed or
// dropped since, and no more. It is kept in the job's store.
type Baseline map[string]Known

// Known is an object of a baseline. Relation is the table or sequence that it comes and goes with, as
// schema.name, or the [Namespace] that it is or is said of, as its key.
type Known struct {
	Kind     string `json:"k"`
	Name     string `json:"n"`
	Relation string `json:"r,omitempty"`
	Digest   string `json:"d"`
}

// NewBaseline is the baseline of a dump. spelled gives its SQL the names that relations had in the one that
// it is held against.
func NewBaseline(entries []Entry, spelled func(sql string) string) Baseline {
	byID := make(map[int]*Entry, len(entries))
	said := make(map[string]string, len(entries))
	b := make(Baseline, len(entries))
	for i := range entries {
		byID[entries[i].ID] = &entries[i]
	}
	for i := range entries {
		e := &entries[i]
		k := Known{Kind: strings.ToLower(e.Type), Name: qualifiedTag(e), Relation: relationOf(e, byID, 0)}
		key := k.Kind + " " + k.Name
		if e.Type == "DEFAULT ACL" {
			k.Name += " of " + e.Owner
			key += " of " + e.Owner
		}
		said[key] += spelled(normal(e))
		sum := sha256.Sum256([]byte(said[key]))
		k.Digest = hex.EncodeToString(sum[:8])
		b[key] = k
	}
	return b
}

// SchemaKey is the key of a schema in a baseline.
func SchemaKey(name string) string { return "schema " + name }

func qualifiedTag(e *Entry) string {
	if e.Schema == "" {
		return e.Name
	}
	return e.Schema + "." + e.Name
}

// isRelation reports whether a dump can be asked for e by name.
func isRelation(e *Entry) bool { return e.Type == "TABLE" || e.Type == "SEQUENCE" }

// parts are the kinds that a dump of chosen tables brings along with a table or sequence.
var parts = []string{
	"INDEX", "CONSTRAINT", "FK CONSTRAINT", "CHECK CONSTRAINT", "TRIGGER", "RULE", "POLICY", "ROW SECURITY", "DEFAULT",
	"TABLE ATTACH", "INDEX ATTACH", "SEQUENCE OWNED BY", "COMMENT", "ACL", "SECURITY LABEL",
}

// deepest bounds the way from a comment on an index of a partition to the table.
const deepest = 5

// relationOf finds what e is a part of: itself, or what it depends on, of several that whose name its
// tag begins with ("orders orders_customer_fkey" is of orders and depends on customer, too) or is.
func relationOf(e *Entry, byID map[int]*Entry, depth int) string {
	switch {
	case isRelation(e):
		return qualifiedTag(e)
	case e.Type == "SCHEMA":
		return SchemaKey(e.Name)
	case strings.HasPrefix(e.Name, "SCHEMA ") && (e.Type == "ACL" || e.Type == "COMMENT" || e.Type == "SECURITY LABEL"):
		return SchemaKey(unquote(strings.TrimPrefix(e.Name, "SCHEMA ")))
	}
	if depth == deepest || !slices.Contains(parts, e.Type) {
		return ""
	}
	found := ""
	for _, id := range e.Depends {
		on := byID[id]
		if on == nil {
			continue
		}
		r := relationOf(on, byID, depth+1)
		if r == "" || on.Type == "SCHEMA" {
			continue
		}
		if on.Schema == e.Schema && (strings.HasPrefix(e.Name+" ", on.Name+" ") || strings.HasSuffix(" "+on.Name, " "+e.Name)) {
			return r
		}
		if found == "" {
			found = r
		}
	}
	return found
}

// Take replaces what b knows of the relations that part is a dump of, and forgets those that are gone.
func (b Baseline) Take(part Baseline, gone []string) {
	again := map[string]bool{}
	for _, name := range gone {
		again[name] = true
	}
	for _, k := range part {
		if k.Kind == "table" || k.Kind == "sequence" {
			again[k.Name] = true
		}
	}
	maps.DeleteFunc(b, func(_ string, k Known) bool { return again[k.Relation] })
	maps.Copy(b, part)
}

// Rename has a relation, and all that is a part of it, be known by another name.
func (b Baseline) Rename(was, is ddl.Name) {
	renamed := Baseline{}
	for key, k := range b {
		if k.Relation != was.String() {
			continue
		}
		delete(b, key)
		if tag, ok := strings.CutPrefix(k.Name, was.Schema+"."); ok {
			k.Name = is.Schema + "." + retag(tag, was.Name, is.Name)
		}
		k.Relation = is.String()
		renamed[k.Kind+" "+k.Name] = k
	}
	maps.Copy(b, renamed)
}

// Forget forgets an object that was dropped, with all that is a part of it.
func (b Baseline) Forget(o *ddl.Object) {
	name := o.Called().String()
	said, column := o.Schema+"."+strings.ToUpper(o.Kind)+" "+pg.Ident(o.Name), o.Schema+".COLUMN "+pg.Ident(o.Name)+"."
	granted := o.Schema + ".TABLE " + pg.Ident(o.Name)
	maps.DeleteFunc(b, func(_ string, k Known) bool {
		switch {
		case o.Part != "":
			return strings.HasSuffix(k.Kind, "constraint") && k.Name == name+" "+o.Part
		case k.Relation == name || k.Kind+" "+k.Name == o.Kind+" "+name:
			return true
		case k.Kind == "comment" || k.Kind == "acl" || k.Kind == "security label":
			return k.Name == said || k.Name == granted || strings.HasPrefix(k.Name, column)
		}
		return (k.Kind == "rule" || k.Kind == "trigger") && strings.HasPrefix(k.Name, name+" ")
	})
}

// retag gives a table's new name to the tag of something that is a part of it.
func retag(tag, was, is string) string {
	if rest, ok := strings.CutPrefix(tag, was); ok && (rest == "" || rest[0] == ' ') {
		return is + rest
	}
	words := tokens(tag) // of a comment or a grant: the last one is the table or its column, quoted
	last := &words[len(words)-1]
	if name, end := identAt(*last, 0); name == was {
		if strings.HasPrefix(*last, `"`) {
			is = pg.Ident(is)
		}
		*last = is + (*last)[end:]
	}
	return strings.Join(words, " ")
}

// Since names what is not as it was. Relations that are made since come with all that is theirs: those
// that isNew says are left out.
func (b Baseline) Since(earlier Baseline, isNew func(relation string) bool) []Item {
	var items []Item
	add := func(k Known, what string) {
		items = append(items, Item{Kind: "schema", Name: k.Kind + " " + k.Name, Why: what + " on the source since the seed",
			Do: "do the same on the target", Loss: true})
	}
	for key, k := range b {
		was, known := earlier[key]
		switch {
		case k.Relation != "" && isNew(k.Relation), known && was.Digest == k.Digest:
		case known:
			add(k, "changed ("+k.Digest[:4]+")") // another change must be acknowledged again
		default:
			add(k, "made")
		}
	}
	for key, k := range earlier {
		if _, still := b[key]; !still && !(k.Relation != "" && isNew(k.Relation)) {
			add(k, "dropped")
		}
	}
	return items
}
