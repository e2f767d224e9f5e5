//go:build memory

package replicator_test

import (
	"testing"

	"replicator/replicator/status"
)

// TestMemoryOfWideRows copies and then follows rows of 30 KB.
func TestMemoryOfWideRows(t *testing.T) {
	p := memoryPair(t)
	p.exec(p.source, `CREATE TABLE wide (id int PRIMARY KEY, v int, doc text);
		INSERT INTO wide SELECT i, 0, repeat(md5(i::text), 940) FROM generate_series(1, 20000) i; ANALYZE wide`)
	e := startEngine(t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	e.mustStayBelow(mostResident, "copy")
	p.exec(p.source, "UPDATE wide SET v = 1, doc = reverse(doc)")
	p.mustApply(e)
	e.mustStayBelow(mostResident, "changes")
	p.exec(p.source, "UPDATE wide SET v = 2") // the documents do not travel
	p.mustApply(e)
	e.mustStayBelow(mostResident, "changes without the wide value")
	p.compare()
}
