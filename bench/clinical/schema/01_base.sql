-- Roles, schemas, types and sequences. Run by a role that may create roles, schemas and the
-- extension; everything after this file is made as clinical_owner.

DO $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['clinical_owner', 'clinical-app', 'clinical-ward-reader', 'clinical-billing'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
            EXECUTE format('CREATE ROLE %I %s', r, CASE r WHEN 'clinical-app' THEN 'LOGIN' ELSE 'NOLOGIN' END);
        END IF;
    END LOOP;
    -- Whoever loads must be able to become the owner; a superuser is anyway.
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT clinical_owner TO %I', current_user);
    END IF;
    EXECUTE format('ALTER ROLE "clinical-app" IN DATABASE %I SET search_path = emergency, record, outpatient, public',
        current_database());
END $$;

CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;

CREATE SCHEMA record AUTHORIZATION clinical_owner;
CREATE SCHEMA emergency AUTHORIZATION clinical_owner;
CREATE SCHEMA outpatient AUTHORIZATION clinical_owner;

SET ROLE clinical_owner;

ALTER DEFAULT PRIVILEGES IN SCHEMA record GRANT SELECT ON TABLES TO "clinical-ward-reader";
ALTER DEFAULT PRIVILEGES IN SCHEMA outpatient GRANT USAGE ON SEQUENCES TO "clinical-app";

CREATE TYPE record.sex AS ENUM ('female', 'male', 'other', 'not known');
CREATE TYPE record.staff_role AS ENUM ('nurse', 'physician', 'technician', 'clerk');
CREATE TYPE record.encounter_kind AS ENUM ('inpatient', 'outpatient', 'emergency', 'day-case');
CREATE TYPE record.encounter_status AS ENUM ('planned', 'open', 'discharged', 'cancelled');
CREATE TYPE record.order_kind AS ENUM ('lab', 'imaging', 'diet', 'consult');
CREATE TYPE record.order_status AS ENUM ('open', 'in progress', 'done', 'cancelled');
CREATE TYPE record.severity AS ENUM ('mild', 'moderate', 'severe');
CREATE TYPE record.action AS ENUM ('INSERT', 'UPDATE', 'DELETE');
CREATE TYPE emergency.triage_level AS ENUM ('red', 'orange', 'yellow', 'green', 'non urgent');
CREATE TYPE outpatient."Slot Status" AS ENUM ('booked', 'arrived', 'no show', 'seen', 'it''s off');

CREATE DOMAIN record.code AS text CHECK (length(VALUE) BETWEEN 1 AND 200);
CREATE DOMAIN record.mrn AS record.code CHECK (VALUE LIKE 'M%') NOT NULL;
CREATE DOMAIN record.email AS text CHECK (VALUE LIKE '%_@_%');
CREATE DOMAIN record.amount AS numeric(12, 3) CHECK (VALUE >= 0);

CREATE TYPE record.person_name AS (family text, given text, title text);
CREATE TYPE record.address AS (street text, city text, postcode varchar(240), country character(2));
CREATE TYPE record.dose AS (amount numeric, unit text);
CREATE TYPE record.dose_range AS RANGE (subtype = numeric);

CREATE SEQUENCE record.observation_id_seq AS bigint INCREMENT BY 5 START WITH 5 CACHE 20;
CREATE SEQUENCE record.order_number_seq AS bigint INCREMENT BY 10 START WITH 1000;
CREATE SEQUENCE record.protocol_number_seq AS integer INCREMENT BY -1 MAXVALUE 9999 START WITH 9999;
CREATE SEQUENCE emergency.ticket_seq AS smallint MINVALUE 1 MAXVALUE 999 CYCLE;
CREATE SEQUENCE emergency.incident_id_seq;

-- IMMUTABLE, so that an index can stand on it.
CREATE FUNCTION record.search_key(n record.person_name) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT lower((n).family) || ' ' || lower(coalesce((n).given, '')) $$;
