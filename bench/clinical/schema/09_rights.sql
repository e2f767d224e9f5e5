-- Comments, grants, row level security.

COMMENT ON SCHEMA emergency IS 'Emergency department; comes back first';
COMMENT ON TABLE record.patient IS 'One row a record; two of one person are merged, not deleted';
COMMENT ON COLUMN record.patient.mrn IS 'Medical record number, "M" and digits';
COMMENT ON COLUMN outpatient."BillingItem"."it's ""billed""" IS 'What''s billed';
COMMENT ON INDEX record.order_open IS 'The worklist';
COMMENT ON CONSTRAINT one_visit_a_bay ON emergency.bay_occupancy IS 'A bay has one visit at a time';
COMMENT ON FUNCTION record.search_key(record.person_name) IS 'Lower case, family name first';
COMMENT ON TYPE emergency.triage_level IS 'Most urgent first';
COMMENT ON TRIGGER note_revision ON record.note IS 'Also when replicated';
COMMENT ON SEQUENCE record.protocol_number_seq IS 'Counts down; not used yet';

REVOKE ALL ON FUNCTION record.write_audit() FROM PUBLIC;
GRANT USAGE ON SCHEMA record, emergency, outpatient TO "clinical-app", "clinical-ward-reader";
GRANT USAGE ON SCHEMA outpatient TO "clinical-billing";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA record, emergency, outpatient TO "clinical-app";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA record, emergency, outpatient TO "clinical-app";
GRANT TRUNCATE ON emergency.queue_ticket TO "clinical-app";
REVOKE UPDATE, DELETE ON record.audit FROM "clinical-app";
GRANT SELECT ON emergency.waiting_room, record.patient_summary TO "clinical-ward-reader";
GRANT SELECT ("ItemNo", "patient id", "Total"), UPDATE ("isPaid") ON outpatient."BillingItem" TO "clinical-billing";
GRANT SELECT ON outpatient."Open Bills" TO "clinical-billing" WITH GRANT OPTION;
GRANT SELECT ON outpatient.portal_message TO "clinical-ward-reader";

ALTER TABLE outpatient.portal_message ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_clinic ON outpatient.portal_message FOR SELECT TO "clinical-ward-reader"
    USING (clinic_code = current_setting('clinical.clinic', true));
CREATE POLICY app_everything ON outpatient.portal_message TO "clinical-app"
    USING (true) WITH CHECK (true);
COMMENT ON POLICY own_clinic ON outpatient.portal_message IS 'A clinic reads its own messages';
