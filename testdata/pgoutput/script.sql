CREATE SCHEMA ward;
CREATE TYPE ward.triage AS ENUM ('white', 'green', 'yellow', 'red');
CREATE DOMAIN ward.code AS text CHECK (VALUE <> '');
CREATE TYPE ward.pressure AS (systolic int2, diastolic int2);
CREATE TABLE ward.types (
	id int8 PRIMARY KEY,
	c_bool bool, c_int2 int2, c_int4 int4, c_float4 float4, c_float8 float8, c_numeric numeric, c_numeric2 numeric(12,2), c_money money,
	c_text text, c_varchar varchar(20), c_char char(6), c_name name, c_char1 "char", c_bytea bytea,
	c_date date, c_time time, c_timetz timetz, c_timestamp timestamp, c_timestamptz timestamptz(3), c_interval interval,
	c_uuid uuid, c_json json, c_jsonb jsonb, c_inet inet, c_cidr cidr, c_macaddr macaddr, c_macaddr8 macaddr8,
	c_bit bit(5), c_varbit varbit, c_point point, c_box box, c_tsvector tsvector, c_range int4range, c_multi int4multirange,
	c_oid oid, c_regclass regclass, c_lsn pg_lsn, c_ints int4[], c_texts text[],
	c_enum ward.triage, c_domain ward.code, c_composite ward.pressure
);
CREATE TABLE ward.plain (id int4 PRIMARY KEY, a text, b int4);
CREATE TABLE ward.child (id int4 PRIMARY KEY, parent int4 REFERENCES ward.plain);
CREATE TABLE ward.full_identity (a int4, b text, c numeric);
ALTER TABLE ward.full_identity REPLICA IDENTITY FULL;
CREATE TABLE ward.indexed (id int4 PRIMARY KEY, mrn text NOT NULL, site int2 NOT NULL, note text);
CREATE UNIQUE INDEX indexed_mrn ON ward.indexed (mrn, site);
ALTER TABLE ward.indexed REPLICA IDENTITY USING INDEX indexed_mrn;
CREATE TABLE ward.toasted (id int4 PRIMARY KEY, big text, small int4);
ALTER TABLE ward.toasted ALTER big SET STORAGE EXTERNAL;
CREATE TABLE ward.toasted_full (id int4 PRIMARY KEY, big text, small int4);
ALTER TABLE ward.toasted_full ALTER big SET STORAGE EXTERNAL, REPLICA IDENTITY FULL;
CREATE TABLE ward.holes (gone int4, id int4 PRIMARY KEY, twice int4 GENERATED ALWAYS AS (id * 2) STORED, also_gone text, kept text);
ALTER TABLE ward.holes DROP gone, DROP also_gone;
CREATE TABLE ward.identity_column (id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text);
CREATE TABLE ward."Größe ""quoted"", odd" ("Spalte 1" int4 PRIMARY KEY, "select" text);
CREATE TABLE ward.no_columns ();
CREATE TABLE ward.audit (at timestamptz, what text);
CREATE TABLE ward.obs (day date NOT NULL, id int4 NOT NULL, v text, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
CREATE TABLE ward.obs_01 PARTITION OF ward.obs FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE ward.obs_02 PARTITION OF ward.obs FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE ward.unpublished (id int4 PRIMARY KEY);
CREATE PUBLICATION "the ""golden"", one" FOR TABLE ward.types, ward.plain, ward.child, ward.full_identity, ward.indexed,
	ward.toasted, ward.toasted_full, ward.holes, ward.identity_column, ward."Größe ""quoted"", odd", ward.no_columns, ward.obs;
CREATE PUBLICATION golden_inserts FOR TABLE ward.audit WITH (publish = 'insert');
SELECT pg_replication_origin_create('golden');
--- all types: usual values
INSERT INTO ward.types VALUES (1,
	true, -2, 2147483647, 1.5, -2.25, 12345678901234567890.0123456789, 99.90, '1234.56',
	'Ärztin 💉', 'varchar', 'char', 'name', 'x', '\x0001ff',
	'2026-11-22', '19:00:00.123456', '19:00:00+01', '2026-11-22 19:00:00', '2026-11-22 19:00:00.123+01', '1 year 2 months 3 days 04:05:06.789',
	'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1,  "b":[null]}', '{"a": 1, "b": [null]}', '192.168.1.7/24', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
	'10101', '1', '(1.5,-2)', '(2,2),(0,0)', 'fat:1A cat:2', '[1,10)', '{[1,3),[5,7)}',
	4294967295, 'pg_class', '16/B374D848', '{1,NULL,3}', '{{"a","b"},{"","NULL"}}',
	'yellow', 'ICD', '(120,80)');
--- all types: NULL
INSERT INTO ward.types VALUES (2);
--- all types: the edges
INSERT INTO ward.types VALUES (-9223372036854775808,
	false, -32768, -2147483648, 'NaN', '-Infinity', 'NaN', 0.00, '-92233720368547758.08',
	'', '', '', '', '', '',
	'infinity', '24:00:00', '24:00:00-15:59:59', '0044-03-15 00:00:00 BC', '-infinity', '-178000000 years',
	'00000000-0000-0000-0000-000000000000', 'null', 'null', '::1', '2001:db8::/32', '00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff:ff:ff',
	'00000', '', '(NaN,Infinity)', '(0,0),(0,0)', '', 'empty', '{}',
	0, '-', '0/0', '{}', '{}',
	'white', ' ', '(,)');
UPDATE ward.types SET c_numeric = 'Infinity', c_date = '4713-01-01 BC', c_ints = '[0:1][2:3]={{1,2},{3,4}}' WHERE id = 2;
--- insert, update, delete
INSERT INTO ward.plain SELECT i, 'row ' || i, i FROM generate_series(1, 5) i;
UPDATE ward.plain SET b = b + 1 WHERE id <= 2;
UPDATE ward.plain SET a = NULL WHERE id = 3;
DELETE FROM ward.plain WHERE id = 5;
--- the key moves
UPDATE ward.plain SET id = id + 100 WHERE id = 1;
--- identity full
INSERT INTO ward.full_identity VALUES (1, 'one', 1.10), (1, 'one', 1.10), (NULL, NULL, NULL);
UPDATE ward.full_identity SET b = 'two' WHERE a IS NULL;
DELETE FROM ward.full_identity WHERE a = 1;
--- identity by another index
INSERT INTO ward.indexed VALUES (1, 'M-1', 7, 'x');
UPDATE ward.indexed SET note = 'y';
UPDATE ward.indexed SET mrn = 'M-2';
DELETE FROM ward.indexed;
--- TOAST
INSERT INTO ward.toasted VALUES (1, repeat('0123456789', 300), 1);
UPDATE ward.toasted SET small = 2;
UPDATE ward.toasted SET id = 2;
UPDATE ward.toasted SET big = repeat('abc', 1000);
INSERT INTO ward.toasted_full VALUES (1, repeat('0123456789', 300), 1);
UPDATE ward.toasted_full SET small = 2;
DELETE FROM ward.toasted_full;
--- dropped and generated columns
INSERT INTO ward.holes (id, kept) VALUES (21, 'kept');
UPDATE ward.holes SET kept = 'still';
--- identity column
INSERT INTO ward.identity_column (v) VALUES ('a'), ('b');
UPDATE ward.identity_column SET v = 'c' WHERE id = 1;
--- odd names, no columns
INSERT INTO ward."Größe ""quoted"", odd" VALUES (1, 'x');
INSERT INTO ward.no_columns DEFAULT VALUES;
--- only inserts are published
INSERT INTO ward.audit VALUES ('2026-01-01 00:00:00+00', 'a');
UPDATE ward.audit SET what = 'b';
DELETE FROM ward.audit;
--- a row moves to another partition
INSERT INTO ward.obs VALUES ('2026-01-31', 1, 'x');
UPDATE ward.obs SET day = '2026-02-01';
--- a savepoint is rolled back
BEGIN;
INSERT INTO ward.plain VALUES (10, 'stays', 0);
SAVEPOINT s;
INSERT INTO ward.plain VALUES (11, 'goes', 0);
ROLLBACK TO s;
INSERT INTO ward.plain VALUES (12, 'stays', 0);
COMMIT;
--- nothing of it is published
INSERT INTO ward.unpublished VALUES (1);
--- rolled back
BEGIN;
INSERT INTO ward.plain VALUES (13, 'goes', 0);
ROLLBACK;
--- logical messages
SELECT pg_logical_emit_message(true, 'replicator', 'in a transaction');
--- outside of one, and with no bytes
SELECT pg_logical_emit_message(false, 'replicator', 'outside');
SELECT pg_logical_emit_message(true, '', '');
--- another table definition
ALTER TABLE ward.plain ADD extra int4 DEFAULT 7, ALTER b TYPE int8;
INSERT INTO ward.plain VALUES (20, 'wider', 1, 2);
ALTER TABLE ward.plain RENAME a TO alpha;
UPDATE ward.plain SET alpha = 'renamed' WHERE id = 20;
--- truncate one, and several
TRUNCATE ward.full_identity;
TRUNCATE ward.plain, ward.identity_column RESTART IDENTITY CASCADE;
--- from elsewhere
BEGIN;
SELECT pg_replication_origin_session_setup('golden');
SELECT pg_replication_origin_xact_setup('5/AA', '2026-01-01 00:00:00+00');
INSERT INTO ward.plain VALUES (30, 'origin', 0);
COMMIT;
SELECT pg_replication_origin_session_reset();
--- prepared
BEGIN;
INSERT INTO ward.plain VALUES (40, 'prepared', 0);
PREPARE TRANSACTION 'golden';
---
COMMIT PREPARED 'golden';
