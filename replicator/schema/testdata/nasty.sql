-- A schema of everything that has broken a migration tool. Runs as a superuser; all of it belongs
-- to plain roles, so that a target role without superuser can make it again.
SET row_security = on; -- the owner checks foreign keys to a table that forces policies on him
CREATE ROLE "nasty-owner" NOLOGIN;
CREATE ROLE nasty_second NOLOGIN;
CREATE ROLE nasty_app NOLOGIN;
CREATE ROLE nasty_report NOLOGIN;

CREATE EXTENSION btree_gist WITH SCHEMA public;
CREATE EXTENSION hstore WITH SCHEMA public;
COMMENT ON EXTENSION hstore IS 'told otherwise';
GRANT CREATE ON SCHEMA public TO "nasty-owner", nasty_second;

CREATE SCHEMA "Ward ""3""" AUTHORIZATION "nasty-owner";
CREATE SCHEMA emr AUTHORIZATION "nasty-owner";
COMMENT ON SCHEMA emr IS E'a comment\n-- TOC entry 1 (class 2615 OID 1)\n-- Name: fake; Type: SCHEMA; Schema: -; Owner: x\n\\''';
GRANT USAGE ON SCHEMA emr TO nasty_app WITH GRANT OPTION;
GRANT CREATE, USAGE ON SCHEMA emr TO nasty_second;

SET ROLE "nasty-owner";
SET search_path = emr, public;

-- types
CREATE TYPE triage AS ENUM ('red', 'yellow', 'green');
ALTER TYPE triage ADD VALUE 'orange' BEFORE 'yellow';
COMMENT ON TYPE triage IS 'colours';
CREATE TYPE address AS (street text, "City" varchar(40), zip char(5));
COMMENT ON COLUMN address."City" IS 'of residence';
CREATE TYPE dose AS RANGE (subtype = numeric, multirange_type_name = doses);
CREATE DOMAIN code AS text COLLATE "C" DEFAULT 'x;y' NOT NULL
	CONSTRAINT shape CHECK (VALUE ~ '^[a-z;]+$') CONSTRAINT "short;" CHECK (length(VALUE) < 20);
COMMENT ON CONSTRAINT shape ON DOMAIN code IS 'lower case';
CREATE DOMAIN codes AS code[];
ALTER DOMAIN code ADD CONSTRAINT late CHECK (VALUE <> 'late') NOT VALID;
CREATE COLLATION german (provider = icu, locale = 'de');
COMMENT ON COLLATION german IS 'sorting';

-- functions
CREATE FUNCTION fake() RETURNS text LANGUAGE plpgsql SET search_path = emr AS $fn$
BEGIN
/*
--
-- TOC entry 2 (class 1259 OID 16384)
-- Dependencies: 1 2 3
-- Name: faked; Type: TABLE; Schema: emr; Owner: postgres
--
SET default_tablespace = 'fake';
\unrestrict fake
*/
  RETURN '$$;';
END $fn$;
COMMENT ON FUNCTION fake() IS 'COMMENT ON; ''quoted''';
CREATE FUNCTION odd(a int, VARIADIC b text[] DEFAULT '{"a;b"}') RETURNS TABLE (x int, y text) LANGUAGE sql STABLE STRICT ROWS 7
	AS $$ SELECT a, unnest(b) FROM (VALUES ('$x$;')) v(c) $$;
CREATE FUNCTION atomic(a int) RETURNS int LANGUAGE sql IMMUTABLE
	BEGIN ATOMIC SELECT CASE WHEN a > 0 THEN 1 ELSE 0 END; SELECT a + 1; END;
CREATE PROCEDURE proc(INOUT a int) LANGUAGE plpgsql AS 'BEGIN a := 1; END';
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION add_up(int8, int4) RETURNS int8 LANGUAGE sql IMMUTABLE AS 'SELECT $1 + $2';
CREATE AGGREGATE total(int4) (SFUNC = add_up, STYPE = int8, INITCOND = '0');
COMMENT ON AGGREGATE total(int4) IS 'sum';
CREATE FUNCTION same(address, address) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT ($1).zip = ($2).zip';
CREATE OPERATOR === (LEFTARG = address, RIGHTARG = address, FUNCTION = same, COMMUTATOR = ===);
COMMENT ON OPERATOR === (address, address) IS 'same town';
REVOKE EXECUTE ON FUNCTION fake() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fake() TO nasty_app;
REVOKE ALL ON FUNCTION atomic(int) FROM PUBLIC;
CREATE TEXT SEARCH DICTIONARY stems (TEMPLATE = simple, stopwords = english);
CREATE TEXT SEARCH CONFIGURATION notes (COPY = pg_catalog.italian);
ALTER TEXT SEARCH CONFIGURATION notes ALTER MAPPING FOR asciiword WITH stems, italian_stem;
COMMENT ON TEXT SEARCH CONFIGURATION notes IS 'for notes';

-- tables
CREATE TABLE patient (
	gone1 text,
	id bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5),
	mrn code,
	gone2 int,
	"Full Name" text COLLATE german NOT NULL DEFAULT E'a\n;b',
	born date CHECK (born > '1800-01-01'),
	age_code text GENERATED ALWAYS AS (lower("Full Name")) STORED,
	home address, tags codes, extra hstore, doc bytea DEFAULT '\xdeadbeef',
	CONSTRAINT patient_pkey PRIMARY KEY (id) INCLUDE (born) WITH (fillfactor = 80),
	CONSTRAINT "Patient MRN" UNIQUE (mrn) DEFERRABLE INITIALLY DEFERRED,
	CONSTRAINT patient_unique UNIQUE NULLS NOT DISTINCT (born, "Full Name") DEFERRABLE
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.01);
ALTER TABLE patient DROP COLUMN gone1, DROP COLUMN gone2;
ALTER TABLE patient ALTER COLUMN "Full Name" SET STATISTICS 500, ALTER COLUMN born SET (n_distinct = -0.5),
	ALTER COLUMN "Full Name" SET STORAGE EXTERNAL, ALTER COLUMN "Full Name" SET COMPRESSION pglz;
COMMENT ON TABLE patient IS 'people';
COMMENT ON COLUMN patient."Full Name" IS 'first, last';
COMMENT ON CONSTRAINT patient_pkey ON patient IS 'key';
COMMENT ON CONSTRAINT patient_born_check ON patient IS 'no ghosts';
CREATE INDEX patient_name ON patient (lower("Full Name") text_pattern_ops DESC NULLS LAST) WHERE born IS NOT NULL;
ALTER INDEX patient_name ALTER COLUMN 1 SET STATISTICS 700;
COMMENT ON INDEX patient_name IS 'for searching';
CREATE INDEX patient_extra ON patient USING gin (extra) WITH (fastupdate = off);
CREATE UNIQUE INDEX "patient;odd" ON patient (("Full Name" || ';"'), born);
COMMENT ON INDEX "patient;odd" IS 'odd';
CREATE STATISTICS patient_stats (dependencies, ndistinct) ON mrn, born FROM patient;
ALTER STATISTICS patient_stats SET STATISTICS 333;
COMMENT ON STATISTICS patient_stats IS 'correlated';
CREATE INDEX patient_born ON patient (born) INCLUDE (home);
ALTER TABLE patient CLUSTER ON patient_born;
ALTER TABLE patient ENABLE ROW LEVEL SECURITY;
ALTER TABLE patient FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON patient AS RESTRICTIVE FOR SELECT TO nasty_app USING (mrn <> ';') ;
CREATE POLICY theirs ON patient FOR ALL USING (true) WITH CHECK (born IS NOT NULL);
COMMENT ON POLICY mine ON patient IS 'own rows';

CREATE TABLE ident (a int NOT NULL, b int NOT NULL, c int);
CREATE UNIQUE INDEX ident_b ON ident (b);
ALTER TABLE ident REPLICA IDENTITY USING INDEX ident_b;
ALTER TABLE ident CLUSTER ON ident_b;
CREATE TABLE ident_full (a int PRIMARY KEY, b text);
ALTER TABLE ident_full REPLICA IDENTITY FULL;
CREATE TABLE clustered (a int PRIMARY KEY);
ALTER TABLE clustered CLUSTER ON clustered_pkey;

CREATE TABLE room_use (
	room int, during tstzrange, ward int,
	CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (ward > 0) DEFERRABLE,
	PRIMARY KEY (room, during)
);
COMMENT ON CONSTRAINT no_overlap ON room_use IS 'one at a time';

-- foreign keys in a circle, one not valid, over other owners' tables
CREATE TABLE team (id int PRIMARY KEY, lead int);
CREATE TABLE person (id int PRIMARY KEY, team int REFERENCES team ON DELETE SET NULL (team) DEFERRABLE INITIALLY DEFERRED, boss int REFERENCES person,
	CONSTRAINT positive CHECK (id > 0) NO INHERIT);
ALTER TABLE team ADD CONSTRAINT team_lead FOREIGN KEY (lead) REFERENCES person ON UPDATE CASCADE;
ALTER TABLE team ADD CONSTRAINT team_unsure FOREIGN KEY (lead) REFERENCES person NOT VALID;
ALTER TABLE team ADD CONSTRAINT team_check CHECK (lead > 0) NOT VALID;
COMMENT ON CONSTRAINT team_check ON team IS 'from now on';
COMMENT ON CONSTRAINT team_lead ON team IS 'circle';
GRANT REFERENCES ON patient, person TO nasty_second;

-- no key, unlogged: late tables
CREATE TABLE audit (at timestamptz DEFAULT now(), what jsonb, who int REFERENCES person);
CREATE INDEX audit_at ON audit USING brin (at);
CREATE UNLOGGED TABLE cache (k text PRIMARY KEY, v bytea UNIQUE);
CREATE TABLE points_at_cache (k text PRIMARY KEY);
CREATE TABLE deferred_key (a int PRIMARY KEY DEFERRABLE, EXCLUDE USING gist (a WITH <>));
COMMENT ON CONSTRAINT deferred_key_pkey ON deferred_key IS 'late';
CREATE TABLE nothing ();

-- partitions on several levels, columns in another order, one default, own indexes
CREATE TABLE obs (
	id bigint GENERATED BY DEFAULT AS IDENTITY, taken date NOT NULL, kind triage NOT NULL, patient bigint, val numeric(10, 2),
	PRIMARY KEY (id, taken, kind), CONSTRAINT "small;" CHECK (val < 1e6)
) PARTITION BY RANGE (taken);
CREATE TABLE obs_2026 (patient bigint, kind triage NOT NULL, dropme int, val numeric(10, 2), taken date NOT NULL, id bigint NOT NULL, CONSTRAINT "small;" CHECK (val < 1e6)) PARTITION BY LIST (kind);
ALTER TABLE obs_2026 DROP COLUMN dropme;
ALTER TABLE obs ATTACH PARTITION obs_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE "obs 2026 red" PARTITION OF obs_2026 FOR VALUES IN ('red');
CREATE TABLE obs_2026_rest PARTITION OF obs_2026 DEFAULT;
CREATE TABLE obs_default PARTITION OF obs DEFAULT;
CREATE INDEX obs_patient ON obs (patient);
CREATE INDEX obs_red_only ON "obs 2026 red" (val);
CREATE UNIQUE INDEX obs_unique ON obs (taken, kind, id);
COMMENT ON INDEX obs_patient IS 'of all';
ALTER TABLE obs ADD FOREIGN KEY (patient) REFERENCES patient;
CREATE TABLE obs_note (id bigint, taken date, kind triage, FOREIGN KEY (id, taken, kind) REFERENCES obs, PRIMARY KEY (id));
CREATE TRIGGER obs_touched AFTER INSERT ON obs FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE obs_default DISABLE TRIGGER obs_touched;

-- a partitioned table with a leaf that is late
CREATE TABLE mixed (k int PRIMARY KEY) PARTITION BY LIST (k);
CREATE TABLE mixed_1 PARTITION OF mixed FOR VALUES IN (1);
CREATE UNLOGGED TABLE mixed_2 PARTITION OF mixed FOR VALUES IN (2);
CREATE INDEX ON mixed (k);
CREATE TABLE to_mixed (k int PRIMARY KEY REFERENCES mixed);
CREATE VIEW by_mixed AS SELECT k, sum(k) AS s FROM ONLY mixed_2 GROUP BY k;

-- names of two lines
CREATE TABLE "two
lines" (id int, k int, CONSTRAINT "also
two" CHECK (atomic(k) > 0)) PARTITION BY LIST (k);
CREATE TABLE two_lines_1 PARTITION OF "two
lines" FOR VALUES IN (1);
COMMENT ON CONSTRAINT "also
two" ON "two
lines" IS 'x';
CREATE SEQUENCE "two
numbers";

-- identity above partitions
CREATE TABLE counted (id int GENERATED ALWAYS AS IDENTITY, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k);
CREATE TABLE counted_1 PARTITION OF counted FOR VALUES IN (1);
-- of two levels, the lower one the first by name
CREATE TABLE counted_tree PARTITION OF counted FOR VALUES IN (3) PARTITION BY RANGE (id);
CREATE TABLE counted_leaf PARTITION OF counted_tree DEFAULT;

-- identity of partitions' own, and below a table that has none
CREATE TABLE counted_2 (LIKE counted INCLUDING ALL);
COMMENT ON SEQUENCE counted_2_id_seq IS 'own';
GRANT USAGE ON SEQUENCE counted_2_id_seq TO nasty_app;
ALTER TABLE counted ATTACH PARTITION counted_2 FOR VALUES IN (2);
CREATE TABLE uncounted (id int, k int) PARTITION BY LIST (k);
CREATE TABLE uncounted_1 (id int GENERATED BY DEFAULT AS IDENTITY, k int);
ALTER TABLE uncounted ATTACH PARTITION uncounted_1 FOR VALUES IN (1);

-- inheritance, children in their own order
CREATE TABLE event (id int PRIMARY KEY, at timestamptz, CONSTRAINT sane CHECK (id > 0));
CREATE TABLE event_local (place text) INHERITS (event);
CREATE TABLE event_odd (at timestamptz, id int NOT NULL, more int, CONSTRAINT sane CHECK (id > 0));
ALTER TABLE event_odd INHERIT event;
CREATE TABLE event_late (own int) INHERITS (event);
CREATE TABLE event_both () INHERITS (event_late, event_local);
ALTER TABLE event ADD COLUMN added text DEFAULT 'new';
CREATE TABLE typed OF address (PRIMARY KEY (zip));

-- checks that read other tables, found by the search path only, over partitions and heirs
CREATE FUNCTION known(int) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN EXISTS (SELECT FROM zz_known WHERE id = $1); END';
CREATE TABLE zz_known (id int PRIMARY KEY);
CREATE TABLE aa_checked (id int PRIMARY KEY, CONSTRAINT "is known" CHECK (known(id)), CONSTRAINT unsure CHECK (id > 0));
ALTER TABLE aa_checked ADD CONSTRAINT not_proved CHECK (known(id) OR id > 100) NOT VALID;
COMMENT ON CONSTRAINT "is known" ON aa_checked IS 'reads; another';
CREATE TABLE aa_parts (id int, CONSTRAINT part_known CHECK (known(id))) PARTITION BY LIST (id);
CREATE TABLE aa_parts_1 PARTITION OF aa_parts FOR VALUES IN (1);
CREATE TABLE aa_parent (id int, CONSTRAINT heir_known CHECK (known(id)));
CREATE TABLE aa_heir () INHERITS (aa_parent);
CREATE TABLE aa_both (id int, CONSTRAINT heir_known CHECK (known(id)), CONSTRAINT own_known CHECK (known(id)) NO INHERIT);
ALTER TABLE aa_both INHERIT aa_parent;

-- rows that break what holds from now on: of a table, one without key, a child that keeps to it, a domain
CREATE TABLE broken (id int PRIMARY KEY, n int);
CREATE TABLE broken_late (n int);
CREATE TABLE broken_heir () INHERITS (broken_late);
INSERT INTO broken VALUES (1, -1), (2, 2); INSERT INTO broken_late VALUES (-1);
ALTER TABLE broken ADD CONSTRAINT no_more CHECK (n > 0) NOT VALID;
COMMENT ON CONSTRAINT no_more ON broken IS 'one is left';
ALTER TABLE broken_heir ADD CONSTRAINT none CHECK (n > 0);
ALTER TABLE broken_late ADD CONSTRAINT none CHECK (n > 0) NOT VALID, ADD CONSTRAINT few CHECK (n > 1) NOT VALID;
CREATE DOMAIN dosage AS int;
CREATE TABLE broken_dose (id int PRIMARY KEY, was dosage, n int);
INSERT INTO broken_dose VALUES (1, -1, 1), (2, 2, 2);
ALTER DOMAIN dosage ADD CONSTRAINT no_more CHECK (VALUE > 0) NOT VALID;

-- a check whose function needs the table
CREATE TABLE whole (id int PRIMARY KEY, n int);
CREATE FUNCTION sound(whole) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.n > 0';
ALTER TABLE whole ADD CONSTRAINT is_sound CHECK (sound(whole)), ADD CONSTRAINT is_sounder CHECK (sound(whole)) NOT VALID;
COMMENT ON CONSTRAINT is_sound ON whole IS 'in a circle';
INSERT INTO whole VALUES (1, 1);

-- sequences
CREATE SEQUENCE free AS smallint START 5 MINVALUE -10 CYCLE CACHE 3;
COMMENT ON SEQUENCE free IS 'numbers';
CREATE TABLE with_serial (a serial PRIMARY KEY, b bigserial, c int DEFAULT nextval('free'));
CREATE TABLE "Ward ""3""".bed ("number ""x""" int PRIMARY KEY, note text DEFAULT '$$');

-- views: one behind a key, one in a circle, materialized ones on each other
CREATE VIEW plain_view WITH (security_barrier, check_option = local) AS SELECT id, "Full Name" FROM patient WHERE id > 0;
CREATE VIEW by_patient AS SELECT p.*, count(*) AS n FROM patient p JOIN obs o ON o.patient = p.id GROUP BY p.id;
COMMENT ON VIEW by_patient IS 'needs the key';
COMMENT ON COLUMN by_patient.n IS 'how many';
CREATE MATERIALIZED VIEW z_first AS SELECT id, lead FROM team;
CREATE UNIQUE INDEX z_first_id ON z_first (id);
COMMENT ON INDEX z_first_id IS 'for concurrently';
CREATE VIEW between_them AS SELECT id FROM z_first;
CREATE MATERIALIZED VIEW a_second WITH (fillfactor = 70) AS SELECT count(*) AS n FROM between_them;
CREATE MATERIALIZED VIEW empty_one AS SELECT id FROM z_first WITH NO DATA;
CREATE MATERIALIZED VIEW by_key AS SELECT p.*, count(*) AS n FROM person p GROUP BY p.id;
REVOKE DELETE ON by_key FROM "nasty-owner"; -- and with it, by pg_dump of before 17, the right to fill it
CREATE INDEX by_key_n ON by_key (n);
COMMENT ON MATERIALIZED VIEW a_second IS 'counted';
CREATE FUNCTION after_key() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT sum(n) FROM by_patient; END;
CREATE FUNCTION in_circle(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW circle AS SELECT in_circle(1) AS x;
CREATE FUNCTION in_circle(circle) RETURNS int LANGUAGE sql AS 'SELECT 2';
CREATE VIEW written AS SELECT id, "Full Name" FROM patient;
CREATE TRIGGER instead_of INSTEAD OF INSERT ON written FOR EACH ROW EXECUTE FUNCTION note();

-- rules and triggers in all their states
CREATE RULE ignore AS ON INSERT TO written DO INSTEAD NOTHING;
CREATE RULE copy_on AS ON DELETE TO ident DO ALSO (INSERT INTO audit (what) VALUES ('{}'); NOTIFY gone);
ALTER TABLE ident DISABLE RULE copy_on;
COMMENT ON RULE ignore ON written IS 'never';
CREATE TRIGGER t_origin BEFORE UPDATE OF b ON ident FOR EACH ROW WHEN (OLD.b <> NEW.b) EXECUTE FUNCTION note();
CREATE TRIGGER t_always AFTER INSERT ON ident FOR EACH ROW EXECUTE FUNCTION note('a;b', '''');
CREATE TRIGGER t_replica AFTER INSERT ON ident FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER t_disabled AFTER TRUNCATE ON ident FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE CONSTRAINT TRIGGER t_late AFTER INSERT ON ident DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER t_tables AFTER UPDATE ON ident REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION note();
ALTER TABLE ident ENABLE ALWAYS TRIGGER t_always, ENABLE REPLICA TRIGGER t_replica, DISABLE TRIGGER t_disabled;
COMMENT ON TRIGGER t_late ON ident IS 'deferred';

-- rights
GRANT SELECT, INSERT ON patient TO nasty_app WITH GRANT OPTION;
GRANT SELECT (id), UPDATE ("Full Name") ON patient TO nasty_report;
GRANT USAGE ON SEQUENCE free TO PUBLIC;
GRANT EXECUTE ON PROCEDURE proc(int) TO nasty_app;
REVOKE USAGE ON TYPE triage FROM PUBLIC;
GRANT USAGE ON TYPE triage TO nasty_app;
REVOKE DELETE ON audit FROM "nasty-owner";
ALTER DEFAULT PRIVILEGES IN SCHEMA emr GRANT SELECT ON TABLES TO nasty_report;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
SET ROLE nasty_app;
GRANT SELECT ON emr.patient TO nasty_report;

-- another owner, who refers to the first one's tables
SET ROLE nasty_second;
CREATE TABLE emr.second (id int PRIMARY KEY, patient bigint REFERENCES emr.patient);
CREATE TABLE public.in_public (a int PRIMARY KEY, b int UNIQUE);
-- of two that may grant, the owner did
GRANT ALL ON emr.second TO nasty_app WITH GRANT OPTION;
GRANT SELECT (id) ON emr.second TO nasty_report;
RESET ROLE;

DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = emr, public', current_database()); END $$;

-- rows, so that the order of work has something to trip over
INSERT INTO emr.zz_known VALUES (1); INSERT INTO emr.aa_checked VALUES (1); INSERT INTO emr.aa_parts VALUES (1);
INSERT INTO emr.aa_parent VALUES (1); INSERT INTO emr.aa_heir VALUES (1); INSERT INTO emr.aa_both VALUES (1);
INSERT INTO emr.patient (mrn, "Full Name", born) SELECT 'x', 'name ' || i, '2000-01-01'::date + i FROM generate_series(1, 1) i;
INSERT INTO emr.team VALUES (1, NULL); INSERT INTO emr.person VALUES (1, 1, 1); UPDATE emr.team SET lead = 1;
INSERT INTO emr.obs (taken, kind, patient, val) VALUES ('2026-05-05', 'red', 10, 1), ('2026-05-05', 'green', 10, 2), ('2020-01-01', 'red', NULL, 3);
INSERT INTO emr.obs_note SELECT id, taken, kind FROM emr.obs;
INSERT INTO emr.mixed VALUES (1), (2); INSERT INTO emr.to_mixed VALUES (1), (2);
INSERT INTO emr.counted (k) VALUES (1), (1); INSERT INTO emr.counted_2 (k) VALUES (2); INSERT INTO emr.uncounted_1 (k) VALUES (1);
INSERT INTO emr.event VALUES (1, now()); INSERT INTO emr.event_local VALUES (2, now(), 'here'); INSERT INTO emr.event_odd VALUES (now(), 3, 4);
INSERT INTO emr.audit (what, who) VALUES ('{}', 1); INSERT INTO emr.cache VALUES ('a', 'b'); INSERT INTO emr.deferred_key VALUES (1);
INSERT INTO emr.second VALUES (1, 10); INSERT INTO public.in_public VALUES (1, 2);
INSERT INTO emr.room_use VALUES (1, '[2026-01-01,2026-01-02)', 1), (1, '[2026-01-02,2026-01-03)', 1);
INSERT INTO emr.ident VALUES (1, 2, 3); INSERT INTO "Ward ""3""".bed VALUES (1); INSERT INTO emr.with_serial VALUES (DEFAULT, DEFAULT, DEFAULT);
REFRESH MATERIALIZED VIEW emr.z_first; REFRESH MATERIALIZED VIEW emr.a_second;
