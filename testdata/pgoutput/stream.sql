CREATE SCHEMA ward;
CREATE TYPE ward.triage AS ENUM ('white', 'green', 'yellow', 'red');
CREATE TABLE ward.narrow (id int4 PRIMARY KEY);
CREATE TABLE ward.seen (id int4 PRIMARY KEY, t ward.triage);
CREATE TABLE ward.grows (id int4 PRIMARY KEY);
CREATE TABLE ward.bystander (id int4 PRIMARY KEY);
CREATE PUBLICATION "the ""golden"", one" FOR TABLE ward.narrow, ward.seen, ward.grows;
CREATE PUBLICATION golden_inserts FOR TABLE ward.bystander WITH (publish = 'insert');
SELECT pg_replication_origin_create('golden');
--- commits, without the part that is rolled back
BEGIN;
INSERT INTO ward.narrow SELECT generate_series(1, 700);
SELECT pg_logical_emit_message(true, 'test', 'within');
SAVEPOINT a;
INSERT INTO ward.seen SELECT i, 'red' FROM generate_series(1, 700) i;
SAVEPOINT b;
INSERT INTO ward.seen VALUES (1000, 'white');
RELEASE b;
ROLLBACK TO a;
SELECT pg_logical_emit_message(false, 'test', 'beside');
UPDATE ward.narrow SET id = -id WHERE id <= 50;
DELETE FROM ward.narrow WHERE id BETWEEN 60 AND 70;
INSERT INTO ward.seen VALUES (2, 'green');
COMMIT;
--- is small
INSERT INTO ward.seen VALUES (3, 'yellow');
--- comes to nothing
BEGIN;
INSERT INTO ward.narrow SELECT generate_series(2001, 2700);
ROLLBACK;
--- changes a table and empties another
BEGIN;
INSERT INTO ward.grows SELECT generate_series(1, 400);
ALTER TABLE ward.grows ADD t ward.triage;
INSERT INTO ward.grows SELECT i, 'white' FROM generate_series(501, 800) i;
TRUNCATE ward.narrow, ward.seen;
INSERT INTO ward.narrow SELECT generate_series(1, 300);
COMMIT;
--- has an origin
SELECT pg_replication_origin_session_setup('golden');
BEGIN;
SELECT pg_replication_origin_xact_setup('0/ABCDEF', '2026-01-02 03:04:05Z');
INSERT INTO ward.narrow SELECT generate_series(3001, 3500);
COMMIT;
SELECT pg_replication_origin_session_reset();
