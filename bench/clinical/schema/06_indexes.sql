-- Every kind of index beside those of constraints, and statistics.

CREATE INDEX patient_search ON record.patient (record.search_key(name));
CREATE INDEX patient_family ON record.patient (lower((name).family) text_pattern_ops, born DESC NULLS LAST);
CREATE INDEX patient_contacts ON record.patient USING gin (contacts jsonb_path_ops);
CREATE INDEX patient_phones ON record.patient USING gin (phones);
CREATE UNIQUE INDEX staff_badge_any_case ON record.staff (lower(badge));
CREATE INDEX encounter_patient ON record.encounter (patient_id) INCLUDE (kind, status);
CREATE INDEX encounter_open ON record.encounter (department_code, lower(period)) WHERE status = 'open';
CREATE INDEX encounter_period ON record.encounter USING gist (period);
CREATE UNIQUE INDEX allergy_active_once ON record.allergy (patient_id, substance) WHERE active;
CREATE INDEX observation_patient ON record.observation (patient_id, taken_at DESC);
CREATE INDEX order_open ON record."order" (priority, placed_at) WHERE status IN ('open', 'in progress');
CREATE INDEX order_encounter ON record."order" (encounter_id);
CREATE INDEX order_details ON record."order" USING gin (details);
CREATE INDEX medication_patient ON record.medication (patient_id) WHERE NOT stopped;
CREATE INDEX medication_course ON record.medication USING gist (course);
CREATE INDEX medication_drug ON record.medication USING hash (drug_code);
CREATE INDEX note_patient ON record.note (patient_id, changed_at DESC);
CREATE INDEX note_words ON record.note USING gin (words);
CREATE INDEX document_patient ON record.document (patient_id);
CREATE INDEX audit_at ON record.audit USING brin (at) WITH (pages_per_range = 32);
CREATE INDEX visit_waiting ON emergency.visit (triage, arrived) WHERE left_at IS NULL;
CREATE INDEX visit_arrived ON emergency.visit (arrived);
CREATE INDEX occupancy_visit ON emergency.bay_occupancy (visit_id);
CREATE INDEX referral_patient ON outpatient.referral (patient_id);
CREATE INDEX reply_referral ON outpatient.referral_reply (referral_number);
CREATE INDEX appointment_day ON outpatient.appointment (clinic_code, lower(slot)) WITH (fillfactor = 70);
CREATE INDEX "Billing unpaid" ON outpatient."BillingItem" ("patient id") WHERE NOT "isPaid";

CREATE STATISTICS record.encounter_kinds (ndistinct, dependencies) ON kind, status FROM record.encounter;
ALTER TABLE record.observation_2026_11 SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE record.patient CLUSTER ON patient_pkey;
ALTER TABLE record.patient ALTER COLUMN fiscal_code SET STATISTICS 300;
