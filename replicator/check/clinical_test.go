package check

import (
	"fmt"
	"os/exec"
	"testing"

	"replicator/bench/clinical"
	"replicator/bench/cluster"
)

// A hospital's database, to a server that knows none of its roles: the setup leaves nothing to fix,
// makes nobody a superuser's equal, is enough for the whole schema, and shows no value.
func TestClinical(t *testing.T) {
	for _, v := range [][2]int{{14, 14}, {15, 15}, {15, 18}} {
		t.Run(fmt.Sprintf("%d to %d", v[0], v[1]), func(t *testing.T) {
			f := clinicalMove(t, v[0], v[1])
			r := f.check(t)
			for _, finding := range r.Findings {
				if finding.Level == Must {
					t.Errorf("%s: %s: %s", finding.Side, finding.ID, finding.Text)
				}
			}
			noCanary(t, r)
			conn := open(t, f.o.Target)
			if got := value(t, conn, "SELECT count(*) FROM pg_roles WHERE rolsuper AND pg_has_role(oid, 'MEMBER')"); got != "0" {
				t.Error("the target role is a member of a superuser")
			}
			script, err := exec.CommandContext(t.Context(), "pg_dump", "--schema-only", "--no-publications", "--no-subscriptions", f.o.Source).Output()
			if err != nil {
				t.Fatalf("pg_dump as the source role: %v", err)
			}
			psql(t, f.o.Target, string(script))
		})
	}
}

// clinicalMove loads a source and sets up roles with what is printed.
func clinicalMove(t *testing.T, from, to int) *fixture {
	t.Helper()
	src, dst := own(t, cluster.Config{Version: from}), own(t, cluster.Config{Version: to})
	f := &fixture{src: src, dst: dst, source: database(t, src), target: database(t, dst)}
	if err := clinical.Load(t.Context(), src.DSN(f.source), clinical.Options{Canary: "canary"}); err != nil {
		t.Fatal(err)
	}
	sql, err := SourceSetup(t.Context(), SetupOptions{DSN: src.DSN(f.source)})
	if err != nil {
		t.Fatal(err)
	}
	psql(t, src.DSN(f.source), sql)
	sql, err = TargetSetup(t.Context(), SetupOptions{DSN: dst.DSN(f.target), SourceDSN: src.DSNAs(DefaultSourceRole, f.source)})
	if err != nil {
		t.Fatal(err)
	}
	psql(t, dst.DSN(f.target), sql)
	f.o = Options{Source: src.DSNAs(DefaultSourceRole, f.source), Target: dst.DSNAs(DefaultTargetRole, f.target)}
	return f
}
