CREATE VIEW emergency.waiting_room AS
    SELECT v.ticket, v.triage, p.full_name, now() - v.arrived AS waiting
    FROM emergency.visit v JOIN record.patient p ON p.id = v.patient_id
    WHERE v.left_at IS NULL;

CREATE VIEW record.patient_summary WITH (security_barrier) AS
    SELECT p.id, p.mrn, p.full_name, p.born,
        (SELECT count(*) FROM record.encounter e WHERE e.patient_id = p.id) AS encounters,
        ARRAY(SELECT a.substance FROM record.allergy a WHERE a.patient_id = p.id AND a.active) AS allergies
    FROM record.patient p WHERE p.merged_into IS NULL;

CREATE VIEW outpatient."Open Bills" AS
    SELECT "patient id", sum("Total") AS "Due" FROM outpatient."BillingItem"
    WHERE NOT "isPaid" GROUP BY "patient id";

CREATE MATERIALIZED VIEW record.ward_census AS
    SELECT d.code, d.name, count(e.id) AS open, coalesce(sum(e.cost), 0) AS cost
    FROM record.department d
    LEFT JOIN record.encounter e ON e.department_code = d.code AND e.status = 'open'
    GROUP BY d.code, d.name;
CREATE UNIQUE INDEX ward_census_code ON record.ward_census (code);

-- Stands on the one above, so they are refreshed in this order.
CREATE MATERIALIZED VIEW record.busiest_ward AS
    SELECT code, open FROM record.ward_census ORDER BY open DESC, code LIMIT 3;
