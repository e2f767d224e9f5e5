package chunker_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"replicator/chunker"
)

// zoo is a type and two values of it. Those that binary COPY cannot carry are in textZoo.
var zoo = [][3]string{
	{"bool", "true", "false"},
	{"int2", "-32768", "0"},
	{"int4", "-2147483648", "0"},
	{"int8", "-9223372036854775808", "1"},
	{"float4", "'-0'", "0"},
	{"float8", "0", "'-0'"},
	{"float8", "'NaN'", "5e-324"},
	{"float8", "0.1", "0.1::float8 + 2e-17"},
	{"numeric", "1.000", "1.0"},
	{"numeric", "'NaN'", "'-Infinity'"},
	{"numeric(10,2)", "-0.01", "0"},
	{"money", "'-1.23'", "'1.23'"},
	{"text", "''", "' '"},
	{"text", `E'a"b\\c\n\t{},NULL'`, `E'a"b\\c\n\t{},NULL\n'`},
	{"varchar(5)", "'NULL'", "'null'"},
	{"char(5)", "'x'", "''"},
	{`"char"`, "'x'", "''"},
	{"name", "'x'", "'X'"},
	{"citext", "'X'", "'x'"},
	{"citext", "''", "' '"},
	{"bytea", `'\x'`, `'\x00'`},
	{"date", "'infinity'", "'5874897-12-31'"},
	{"time", "'24:00'", "'00:00'"},
	{"timetz", "'12:00+00'", "'13:00+01'"},
	{"timestamp", "'-infinity'", "'4713-01-01 00:00 BC'"},
	{"timestamptz", "'2026-11-22 19:00:00.000001+01'", "'2026-11-22 19:00:00+01'"},
	{"interval", "'1 mon'", "'30 days'"},
	{"uuid", "'00000000-0000-0000-0000-000000000000'", "'00000000-0000-0000-0000-000000000001'"},
	{"json", `'{"a" :  1}'`, `'{"a" : 1}'`},
	{"jsonb", `'{"a": 1.00}'`, `'{"a": 1.0}'`},
	{"jsonb", `'null'`, `'[]'`},
	{"jsonpath", "'$.a'", "'$'"},
	{"xml", "'<a>b</a>'", "'<a>b</a >'"},
	{"point", "'(-0,NaN)'", "'(0,NaN)'"},
	{"line", "'{1,2,3}'", "'{1,-1,0}'"},
	{"lseg", "'[(1,2),(3,4)]'", "'[(3,4),(1,2)]'"},
	{"box", "'(1,2),(3,4)'", "'(0,0),(1,1)'"},
	{"path", "'[(1,2),(3,4)]'", "'((1,2),(3,4))'"},
	{"polygon", "'((1,2),(3,4),(5,6))'", "'((0,0))'"},
	{"circle", "'<(1,2),3>'", "'<(1,2),0>'"},
	{"inet", "'192.168.0.1/24'", "'192.168.0.1'"},
	{"cidr", "'10.0.0.0/8'", "'10.0.0.0/9'"},
	{"macaddr", "'08:00:2b:01:02:03'", "'08:00:2b:01:02:04'"},
	{"macaddr8", "'08:00:2b:01:02:03:04:05'", "'08:00:2b:01:02:03:04:06'"},
	{"bit(3)", "'101'", "'100'"},
	{"varbit(7)", "'1'", "'10'"},
	{"tsvector", "'a:1 b:2'", "'a:1A b:2'"},
	{"pg_lsn", "'0/0'", "'0/1'"},
	{"xid", "'1'", "'4294967295'"},
	{"tid", "'(0,1)'", "'(0,2)'"},
	{"oid", "0", "4294967295"},
	{"pg_snapshot", "'10:20:10,14'", "'10:20:10,15'"},
	{"int4range", "'[1,5)'", "'empty'"},
	{"numrange", "'[1.0,5)'", "'[1.0,5]'"},
	{"tstzrange", "'[2026-01-01,)'", "'(2026-01-01,)'"},
	{"int4multirange", "'{[1,5),[7,9)}'", "'{[1,9)}'"},
	{"hstore", "''", "'a=>NULL'"},
	{"hstore", "'a=>1,b=>NULL'", `'a=>1,b=>"NULL"'`},
	{"int4[]", "'{1,2}'", "'[0:1]={1,2}'"},
	{"int4[]", "'{1,2}'", "'{{1,2}}'"},
	{"text[]", `'{"NULL"}'`, `'{NULL}'`},
	{"text[]", `'{}'`, `'{""}'`},
	{"float8[]", "'{0}'", "'{-0}'"},
	{"box[]", "'{(1,2),(3,4);(0,0),(1,1)}'", "'{(0,0),(1,1);(1,2),(3,4)}'"},
	{"mood", "'ok'", `'bad " day'`},
	{"mood[]", `'{ok,"bad \" day"}'`, "'{ok}'"},
	{"bed", `'(1,"x""y","(ok,)")'`, `'(1,"x""y",)'`},
	{"bed", `'(,,)'`, `'(,"",)'`},
	{"bed[]", `'{"(1,\"x,y\",\"(ok,1.0)\")"}'`, `'{"(1,\"x,y\",\"(ok,1.00)\")"}'`},
	{"small", "3", "4"},
	{"codes", "'{a,b}'", "'{b,a}'"},
	{"bunk", `'(1,x,)'`, `'(1,,)'`},
	{"moods", `'[ok,ok]'`, "'empty'"},
	{"masked", `'(1,x)'`, `'(1,y)'`},
	{"citext[]", "'{A}'", "'{a}'"},
}

var textZoo = [][3]string{
	{"aclitem", "'postgres=r/postgres'", "'postgres=w/postgres'"},
	{"regclass", "'pg_class'", "'public.reg'"},
	{"regtype", "'mood'", "'int4'"},
	{"tsquery", "'a & b'", "'a | b'"},
	{"int2vector", "'1 2'", "'1'"},
	{"text", "''", `E'\\N'`},
	{"text", "''", `E'\t'`},
	{"bytea", `'\x'`, `'\x00'`},
	{"float8", "0", "'-0'"},
	{"float8[]", "'{0}'", "'{-0}'"},
	{"mood", "'ok'", `'bad " day'`},
	{"bed", `'(,,)'`, `'(,"",)'`},
}

// zooTypes are made after some that the other side has not, so that OIDs differ. The owner of masked
// has a cast that hides what it holds.
const zooTypes = `CREATE EXTENSION hstore; CREATE EXTENSION citext;
	CREATE TYPE mood AS ENUM ('ok', 'bad " day');
	CREATE TYPE inner_bed AS (m mood, n numeric);
	CREATE TYPE bed AS (n int, label text, i inner_bed);
	CREATE DOMAIN small AS int CHECK (VALUE < 100);
	CREATE DOMAIN codes AS text[];
	CREATE DOMAIN bunk AS bed;
	CREATE TYPE moods AS RANGE (subtype = mood);
	CREATE TYPE masked AS (n int, secret text);
	CREATE FUNCTION hide(masked) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''***''';
	CREATE CAST (masked AS text) WITH FUNCTION hide(masked);
	CREATE TABLE reg ();`

// newZoo is a table of the types on both sides, the target's columns in reverse. For every column it
// has a row of all first values, for that column to be damaged in, and one of NULLs.
func newZoo(t *testing.T, p *pair, types [][3]string, key string) *chunker.Table {
	t.Helper()
	p.tgt.do(t, "CREATE TYPE unlike AS ENUM ('a'); CREATE TABLE unlike_too (i int)")
	p.both(t, zooTypes)
	columns, values := []string{"id int " + key}, []string{}
	for i, z := range types {
		columns = append(columns, fmt.Sprintf("c%d %s", i, z[0]))
		values = append(values, z[1])
	}
	p.src.do(t, "CREATE TABLE zoo ("+strings.Join(columns, ", ")+")")
	slices.Reverse(columns)
	p.tgt.do(t, "CREATE TABLE zoo ("+strings.Join(columns, ", ")+")")
	p.src.do(t, fmt.Sprintf("INSERT INTO zoo SELECT i, %s FROM generate_series(0, %d) i", strings.Join(values, ", "), len(types)-1))
	p.src.do(t, fmt.Sprintf("INSERT INTO zoo (id) SELECT %d + i FROM generate_series(0, %d) i", nulls, len(types)-1))
	table := p.src.table(t, "zoo")
	p.copy(t, table, "ORDER BY -id")
	p.both(t, "CREATE TABLE saved AS TABLE zoo")
	return table
}

// nulls is the first row of NULLs.
const nulls = 1000

// TestZoo: a value changed in any type of column, on either side, is found, and the row named.
func TestZoo(t *testing.T) {
	for _, versions := range [][2]int{{15, 18}, {18, 15}} {
		for name, types := range map[string][][3]string{"binary": zoo, "text": textZoo} {
			for kind, key := range map[string]string{"key": "PRIMARY KEY", "keyless": ""} {
				t.Run(fmt.Sprintf("%d to %d/%s/%s", versions[0], versions[1], name, kind), func(t *testing.T) {
					t.Parallel()
					p := newPair(t, versions[0], versions[1])
					table := newZoo(t, p, types, key)
					if table.Text != (name == "text") {
						t.Fatalf("text is %v", table.Text)
					}
					p.equal(t, table)
					damageColumns(t, p, table, types)
					p.scan.Text = true // as if another table of the job had to be streamed as text
					p.equal(t, table)
					damageColumns(t, p, table, types)
					p.equal(t, table)
				})
			}
		}
	}
}

// damageColumns changes, on one side after the other, every column in a row of its own.
func damageColumns(t *testing.T, p *pair, table *chunker.Table, types [][3]string) {
	t.Helper()
	for side, d := range map[string]*database{"source": p.src, "target": p.tgt} {
		for what, damage := range map[string]func(z [3]string) (id int, value string){
			"another value":   func(z [3]string) (int, string) { return 0, z[2] },
			"NULL for value":  func([3]string) (int, string) { return 0, "NULL" },
			"value for NULL":  func(z [3]string) (int, string) { return nulls, z[1] },
			"another in NULL": func(z [3]string) (int, string) { return nulls, z[2] },
		} {
			var want []string
			for i, z := range types {
				id, value := damage(z)
				d.do(t, fmt.Sprintf("UPDATE zoo SET c%d = %s WHERE id = %d", i, value, id+i))
				if len(table.Key) > 0 {
					want = append(want, fmt.Sprintf("different %d", id+i))
				} else {
					want = append(want, "only on source -", "only on target -")
				}
			}
			if p.differ(t, table, want...); t.Failed() {
				t.Fatalf("%s, on the %s", what, side)
			}
			d.do(t, "BEGIN; DELETE FROM zoo; INSERT INTO zoo SELECT * FROM saved; COMMIT")
		}
	}
}
