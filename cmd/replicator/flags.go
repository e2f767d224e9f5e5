package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"replicator/replicator"
	"replicator/replicator/schema"
)

// connections are the two DSNs, and for commands that may reach the target end at another site the
// way there.
type connections struct {
	a              *app
	source, target string
	far            linkFlags
}

func (c *connections) define(a *app, f *pflag.FlagSet) {
	c.a = a
	f.StringVar(&c.source, "source", "", "`DSN` of the source: URI or keywords of libpq, without password (else $REPLICATOR_SOURCE)")
	f.StringVar(&c.target, "target", "", "`DSN` of the target (else $REPLICATOR_TARGET)")
}

// defineFar is define for commands that use the target end, wherever it is.
func (c *connections) defineFar(a *app, f *pflag.FlagSet) {
	c.define(a, f)
	c.far.define(a, f)
}

// getFar is get and the way to the target end. A host that a flag names counts before a target that
// the environment names.
func (c *connections) getFar() (source, target string, far replicator.Link) {
	source, target = c.get()
	if c.target == "" && c.far.host != "" {
		target = ""
	}
	return source, target, c.far.get(target)
}

// get falls back to the environment.
func (c *connections) get() (source, target string) {
	source, target = c.source, c.target
	if source == "" {
		source = c.a.getenv("REPLICATOR_SOURCE")
	}
	if target == "" {
		target = c.a.getenv("REPLICATOR_TARGET")
	}
	return source, target
}

func defineDir(a *app, f *pflag.FlagSet, dir *string) {
	f.StringVar(dir, "dir", a.stateDir(), "state `directory` of the job")
}

// keyFile is the flag for the key that seals the state directory.
type keyFile struct {
	a    *app
	path string
}

func (k *keyFile) define(a *app, f *pflag.FlagSet) {
	k.a = a
	f.StringVar(&k.path, "key-file", "", "`file` with the key that seals the state directory (else $REPLICATOR_KEY_FILE)")
}

// get falls back to the environment, and then to systemd's LoadCredential=replicator.key:FILE.
func (k *keyFile) get() string {
	if k.path != "" {
		return k.path
	}
	if path := k.a.getenv("REPLICATOR_KEY_FILE"); path != "" {
		return path
	}
	if dir := k.a.getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		path := filepath.Join(dir, "replicator.key")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// defineSelection adds pg_dump's four pattern flags.
func defineSelection(f *pflag.FlagSet, s *schema.Selection) {
	f.StringArrayVarP(&s.Tables, "table", "t", nil, "only tables that match the `pattern`, as with pg_dump; may be repeated")
	f.StringArrayVarP(&s.ExcludeTables, "exclude-table", "T", nil, "no tables that match the `pattern`")
	f.StringArrayVarP(&s.Schemas, "schema", "n", nil, "only schemas that match the `pattern`")
	f.StringArrayVarP(&s.ExcludeSchemas, "exclude-schema", "N", nil, "no schemas that match the `pattern`")
}

// defineObjects is whether large objects are moved.
func defineObjects(f *pflag.FlagSet, to *string) {
	f.Var(newChoice(to, "auto", "auto", "yes", "no"), "large-objects", "move large objects: `auto|yes|no`: auto does, unless --table or --schema choose what is moved")
}

// choice is a flag with a few values.
type choice struct {
	to   *string
	list []string
}

func newChoice(to *string, preset string, list ...string) *choice {
	*to = preset
	return &choice{to: to, list: list}
}

func (c *choice) String() string { return *c.to }
func (c *choice) Type() string   { return "choice" }

func (c *choice) Set(v string) error {
	for _, known := range c.list {
		if v == known {
			*c.to = v
			return nil
		}
	}
	return errors.New("not one of its values")
}

// size is a number of bytes with PostgreSQL's units.
type size struct{ to *int64 }

func (s size) Type() string { return "size" }

func (s size) String() string {
	if s.to == nil || *s.to == 0 {
		return "0"
	}
	return strconv.FormatInt(*s.to, 10)
}

var units = []struct {
	name  string
	bytes int64
}{{"kB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}, {"TB", 1 << 40}, {"B", 1}, {"", 1}}

func (s size) Set(v string) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(v, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.bytes {
			return errors.New("not a size")
		}
		*s.to = n * u.bytes
		return nil
	}
	return errors.New("not a size")
}

func defineTablespaces(f *pflag.FlagSet, to *schema.Tablespaces) {
	f.Var(to, "tablespace-map", "where on the target lies what lies in a tablespace of the source: `OLD=NEW`, several with commas between; OLD= is the database's default")
}

// patterns is a list with commas between, which do not count within a quoted name. It may be
// repeated.
type patterns struct{ to *[]string }

func (p patterns) Type() string { return "patterns" }

func (p patterns) String() string {
	if p.to == nil {
		return ""
	}
	return strings.Join(*p.to, ",")
}

func (p patterns) Set(v string) error {
	quoted := false
	list := strings.FieldsFunc(v, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return r == ',' && !quoted
	})
	*p.to = append(*p.to, list...)
	return nil
}
