package replicator_test

import (
	"fmt"
	"testing"

	"replicator/bench/cluster"
	"replicator/replicator"
	"replicator/replicator/status"
)

// namedSchema has columns named by everything that is made at the fence: by a trigger, a rule, a policy, a check
// that calls a function, an identity column that takes no values.
const namedSchema = `
CREATE SCHEMA h;
CREATE TABLE h.seen (id bigserial PRIMARY KEY, what text);
CREATE FUNCTION h.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO h.seen (what) VALUES (TG_OP); RETURN NEW; END $$;
CREATE FUNCTION h.sane(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > -1000';
CREATE TABLE h.bed (id int PRIMARY KEY, nth bigint GENERATED ALWAYS AS IDENTITY, ward text, size int CONSTRAINT sane CHECK (h.sane(size)), old int, gone text, code varchar(5));
CREATE TRIGGER see AFTER UPDATE OF ward ON h.bed FOR EACH ROW WHEN (NEW.old IS NOT NULL) EXECUTE FUNCTION h.see();
COMMENT ON TRIGGER see ON h.bed IS 'sees';
CREATE TRIGGER goes AFTER UPDATE OF gone ON h.bed FOR EACH ROW EXECUTE FUNCTION h.see();
CREATE RULE also AS ON UPDATE TO h.bed WHERE NEW.old = 7 DO ALSO INSERT INTO h.seen (what) VALUES (NEW.ward);
CREATE POLICY mine ON h.bed USING (ward <> 'x' AND old > 0);
ALTER TABLE h.bed ENABLE ROW LEVEL SECURITY;
CREATE TABLE h.stay (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
CREATE TABLE h.stay_1 PARTITION OF h.stay FOR VALUES FROM (0) TO (100);
CREATE TABLE h.stay_2 PARTITION OF h.stay FOR VALUES FROM (100) TO (1000);
CREATE TRIGGER see AFTER UPDATE OF note ON h.stay FOR EACH ROW EXECUTE FUNCTION h.see();
ALTER TABLE h.stay_2 DISABLE TRIGGER see;
INSERT INTO h.bed (id, ward, size, old) SELECT i, 'CANARY-7f3a9', i, i FROM generate_series(1, 200) i;
INSERT INTO h.stay SELECT i, 'CANARY-7f3a9' FROM generate_series(1, 200) i;`

// TestWhatNamesColumnsFollows renames, drops and retypes columns that are named by what waits for the fence,
// and wants that made as the source has it then, with nothing to acknowledge.
func TestWhatNamesColumnsFollows(t *testing.T) {
	for name, from := range map[string]*cluster.Cluster{
		"here":    server(t, "source", cluster.Config{}),
		"from 14": ownServer(t, cluster.Config{Version: 14}), // up to which a partition's triggers count as internal
	} {
		t.Run(name, func(t *testing.T) {
			carrying(t, from, server(t, "target", cluster.Config{}), namedSchema).renames()
		})
	}
}

// renames runs the statements, with rows between them.
func (p *pair) renames() {
	e := startEngine(p.t, orders{Options: p.o})
	e.mustReach(p.o.Dir, status.Following)
	for i, s := range []string{
		"ALTER TABLE h.bed RENAME ward TO \"the Ward\"; UPDATE h.bed SET \"the Ward\" = 'y' WHERE id < 9",
		"ALTER TABLE h.bed RENAME size TO width; ALTER TABLE h.bed RENAME nth TO nr",
		"DROP TRIGGER goes ON h.bed; ALTER TABLE h.bed DROP gone",
		"DROP TRIGGER see ON h.bed; DROP RULE also ON h.bed; DROP POLICY mine ON h.bed",
		"ALTER TABLE h.bed ALTER old TYPE bigint",
		"ALTER TABLE h.bed RENAME old TO age",
		"CREATE TRIGGER sees BEFORE UPDATE OF age ON h.bed FOR EACH ROW EXECUTE FUNCTION h.see(); CREATE POLICY yours ON h.bed USING (age > 1)",
		"ALTER TABLE h.stay RENAME note TO said; UPDATE h.stay SET said = 'z' WHERE id % 3 = 0",
		"ALTER TABLE h.stay DETACH PARTITION h.stay_1",
	} {
		p.exec(p.source, fmt.Sprintf("UPDATE h.bed SET code = '%d' WHERE id %% 5 = %d; DELETE FROM h.stay WHERE id = %d", i, i%5, 50+i))
		p.exec(p.source, s)
	}
	p.mustCatchup()
	<-e.gone
	p.compare()
	if err := replicator.Cleanup(p.t.Context(), replicator.CleanupOptions{Dir: p.o.Dir}); err != nil {
		p.t.Fatal(err)
	}
	p.compareSchema()
}
