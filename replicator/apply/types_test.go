package apply

import (
	"fmt"
	"strings"
	"testing"

	"replicator/bench/zoo"
)

// zooColumns is one column per type.
func zooColumns() string {
	var b strings.Builder
	for i, z := range zoo.Types {
		fmt.Fprintf(&b, ", c%d %s", i, z[0])
	}
	return b.String()
}

// zooRow is literal number n of each type, NULL where n is 0.
func zooRow(n int) []string {
	row := make([]string, len(zoo.Types))
	for i, z := range zoo.Types {
		if row[i] = "NULL"; n > 0 {
			row[i] = z[n]
		}
	}
	return row
}

func zooSet(n int) string {
	set := zooRow(n)
	for i := range set {
		set[i] = fmt.Sprintf("c%d = %s", i, set[i])
	}
	return strings.Join(set, ", ")
}

// writeZoo goes through every literal of every type: few rows, many rows (COPY), updates, deletes.
func writeZoo(p *pair, table string) {
	for n := range 4 {
		p.source(fmt.Sprintf("INSERT INTO %s SELECT %d + g, %s FROM generate_series(0, %d) g", table, 1000*n, strings.Join(zooRow(n), ", "), 10+n*20))
	}
	p.t.Helper()
	p.applyAs()
	p.same()
	for n := range 4 {
		p.source(fmt.Sprintf("UPDATE %s SET %s WHERE k BETWEEN %d AND %d", table, zooSet((n+1)%4), 1000*n, 1000*n+5))
	}
	p.applyAs()
	p.same()
	p.source(fmt.Sprintf("DELETE FROM %s WHERE k %% 3 = 0", table), fmt.Sprintf("UPDATE %s SET c0 = NOT c0", table))
	p.applyAs()
	p.same()
}

// applyAs applies in the pair's wire format.
func (p *pair) applyAs() {
	p.t.Helper()
	p.applied(p.pull(!p.text))
}

func TestTypes(t *testing.T) {
	for _, text := range []bool{false, true} {
		for _, schema := range []string{
			"CREATE TABLE zoo (k int PRIMARY KEY" + zooColumns() + ")",
			"CREATE TABLE zoo (k int NOT NULL" + zooColumns() + "); ALTER TABLE zoo REPLICA IDENTITY FULL",
		} {
			name := "binary"
			if text {
				name = "text"
			}
			if strings.Contains(schema, "FULL") {
				name += " full"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, zoo.Setup+schema)
				p.text = text
				writeZoo(p, "zoo")
				if n := p.replays(); n != 0 {
					t.Errorf("%d windows had to be replayed:\n%s", n, p.log.String())
				}
			})
		}
	}
}

// TestEveryTypeAlone has a table per type, so that no column of another kind sends the updates
// down the row path, and its value in the key where the type can be one.
func TestEveryTypeAlone(t *testing.T) {
	var schema strings.Builder
	schema.WriteString(zoo.Setup)
	for i, z := range zoo.Types {
		fmt.Fprintf(&schema, "CREATE TABLE t%d (k int PRIMARY KEY, c %s);", i, z[0])
		if !unkeyable[z[0]] {
			fmt.Fprintf(&schema, "CREATE TABLE k%d (k %s PRIMARY KEY, c int);", i, z[0])
		}
	}
	for _, text := range []bool{false, true} {
		p := newPair(t, schema.String())
		p.text = text
		for i, z := range zoo.Types {
			for n, lit := range z[1:] {
				p.source(fmt.Sprintf("INSERT INTO t%d SELECT g, %s FROM generate_series(%d, %d) g", i, lit, n*100, n*100+15*n))
				if !unkeyable[z[0]] && lit != "NULL" {
					p.source(fmt.Sprintf("INSERT INTO k%d VALUES (%s, 1) ON CONFLICT DO NOTHING", i, lit))
				}
			}
		}
		p.applyAs()
		p.same()
		for i, z := range zoo.Types {
			p.source(fmt.Sprintf("UPDATE t%d SET c = (SELECT c FROM t%d WHERE k = 100) WHERE k < 100", i, i),
				fmt.Sprintf("UPDATE t%d SET c = NULL WHERE k > 100", i))
			if !unkeyable[z[0]] {
				p.source(fmt.Sprintf("UPDATE k%d SET c = 2", i))
			}
		}
		p.applyAs()
		p.same()
		for i, z := range zoo.Types {
			if !unkeyable[z[0]] {
				p.source(fmt.Sprintf("DELETE FROM k%d", i))
			}
		}
		p.applyAs()
		p.same()
		if n := p.replays(); n != 0 {
			t.Errorf("%d windows had to be replayed:\n%s", n, p.log.String())
		}
	}
}

// unkeyable types have no btree operator class.
var unkeyable = map[string]bool{
	"json": true, "xml": true, "point": true, "line": true, "lseg": true, "box": true, "path": true,
	"polygon": true, "circle": true, "xid": true, "pg_snapshot": true, "jsonpath": true, "box[]": true,
	"aclitem": true, "int2vector": true,
}
