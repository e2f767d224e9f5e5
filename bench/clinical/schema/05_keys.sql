-- Keys and constraints, made after the rows.

ALTER TABLE record.department ADD PRIMARY KEY (code);
ALTER TABLE record.staff ADD PRIMARY KEY (id), ADD UNIQUE (badge);
ALTER TABLE record.patient ADD PRIMARY KEY (id), ADD CONSTRAINT patient_mrn_once UNIQUE (mrn);
ALTER TABLE record.encounter ADD PRIMARY KEY (id);
ALTER TABLE record.bed ADD PRIMARY KEY (code),
    ADD CONSTRAINT bed_place_once UNIQUE (department_code, place) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE record.allergy ADD PRIMARY KEY (id);
ALTER TABLE record.observation ADD PRIMARY KEY (id, taken_at);
ALTER TABLE record."order" ADD PRIMARY KEY (id);
ALTER TABLE record.order_item ADD PRIMARY KEY (order_id, line);
ALTER TABLE record.drug ADD PRIMARY KEY (code);
ALTER TABLE record.medication ADD PRIMARY KEY (id);
ALTER TABLE record.note ADD PRIMARY KEY (id);
ALTER TABLE record.document ADD PRIMARY KEY (id);
ALTER TABLE record.consent ADD PRIMARY KEY (id);
ALTER TABLE record.retention_policy ADD PRIMARY KEY (id);

ALTER TABLE emergency.bay ADD PRIMARY KEY (id), ADD UNIQUE (label);
ALTER TABLE emergency.visit ADD PRIMARY KEY (id);
ALTER TABLE emergency.triage_event ADD PRIMARY KEY (visit_id, seq);
ALTER TABLE emergency.bay_occupancy ADD PRIMARY KEY (id),
    ADD CONSTRAINT one_visit_a_bay EXCLUDE USING gist (bay_id WITH =, during WITH &&);
ALTER TABLE emergency.queue_ticket ADD PRIMARY KEY (id);
ALTER TABLE emergency.incident ADD PRIMARY KEY (id);
ALTER TABLE emergency.fall_incident ADD PRIMARY KEY (id);
ALTER TABLE emergency.board_cache ADD PRIMARY KEY (bay_id);

ALTER TABLE outpatient.clinic ADD PRIMARY KEY (code);
ALTER TABLE outpatient.referral ADD PRIMARY KEY (number);
ALTER TABLE outpatient.referral_reply ADD PRIMARY KEY (id);
ALTER TABLE outpatient.appointment ADD PRIMARY KEY (id);
ALTER TABLE outpatient.appointment_history ADD PRIMARY KEY (id);
ALTER TABLE outpatient.device ADD PRIMARY KEY (id);
ALTER TABLE outpatient."BillingItem" ADD CONSTRAINT "BillingItem_pkey" PRIMARY KEY ("ItemNo");
ALTER TABLE outpatient.portal_message ADD PRIMARY KEY (id);

CREATE UNIQUE INDEX device_reading_identity ON outpatient.device_reading (serial, reading_no);
ALTER TABLE outpatient.device_reading REPLICA IDENTITY USING INDEX device_reading_identity;

ALTER TABLE record.department ADD CONSTRAINT department_head FOREIGN KEY (head_id)
    REFERENCES record.staff (id) DEFERRABLE;
ALTER TABLE record.staff ADD FOREIGN KEY (department_code) REFERENCES record.department (code);
ALTER TABLE record.patient ADD FOREIGN KEY (practitioner_id) REFERENCES record.staff (id),
    ADD CONSTRAINT patient_merged FOREIGN KEY (merged_into) REFERENCES record.patient (id) ON DELETE SET NULL,
    ADD CONSTRAINT patient_merged_elsewhere CHECK (merged_into <> id);
ALTER TABLE record.encounter ADD FOREIGN KEY (patient_id) REFERENCES record.patient (id),
    ADD FOREIGN KEY (department_code) REFERENCES record.department (code),
    ADD FOREIGN KEY (clinician_id) REFERENCES record.staff (id);
ALTER TABLE record.bed ADD FOREIGN KEY (department_code) REFERENCES record.department (code);
ALTER TABLE record.allergy ADD FOREIGN KEY (patient_id) REFERENCES record.patient (id) ON DELETE CASCADE;
ALTER TABLE record.observation ADD FOREIGN KEY (patient_id) REFERENCES record.patient (id);
ALTER TABLE record."order" ADD FOREIGN KEY (encounter_id) REFERENCES record.encounter (id);
ALTER TABLE record.order_item ADD FOREIGN KEY (order_id) REFERENCES record."order" (id) ON DELETE CASCADE;
ALTER TABLE record.medication ADD FOREIGN KEY (patient_id) REFERENCES record.patient (id),
    ADD FOREIGN KEY (drug_code) REFERENCES record.drug (code) ON UPDATE CASCADE;
ALTER TABLE record.note ADD FOREIGN KEY (patient_id) REFERENCES record.patient (id),
    ADD FOREIGN KEY (encounter_id) REFERENCES record.encounter (id) ON DELETE SET NULL;
ALTER TABLE record.document ADD FOREIGN KEY (patient_id) REFERENCES record.patient (id);
ALTER TABLE emergency.visit ADD FOREIGN KEY (patient_id) REFERENCES record.patient (id);
ALTER TABLE emergency.triage_event ADD FOREIGN KEY (visit_id) REFERENCES emergency.visit (id) ON DELETE CASCADE;
ALTER TABLE emergency.bay_occupancy ADD FOREIGN KEY (bay_id) REFERENCES emergency.bay (id),
    ADD FOREIGN KEY (visit_id) REFERENCES emergency.visit (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE outpatient.referral ADD FOREIGN KEY (clinic_code) REFERENCES outpatient.clinic (code);
ALTER TABLE outpatient.referral_reply ADD FOREIGN KEY (referral_number)
    REFERENCES outpatient.referral (number) ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE outpatient.appointment ADD FOREIGN KEY (clinic_code) REFERENCES outpatient.clinic (code);
ALTER TABLE outpatient.device_reading ADD FOREIGN KEY (device_id) REFERENCES outpatient.device (id);

-- Old rows break both: a dose of zero, documents of encounters that are gone.
ALTER TABLE record.medication ADD CONSTRAINT dose_positive CHECK ((dose).amount > 0) NOT VALID;
ALTER TABLE record.document ADD CONSTRAINT document_encounter FOREIGN KEY (encounter_id)
    REFERENCES record.encounter (id) ON DELETE SET NULL NOT VALID;

-- A default that old rows have without being rewritten.
ALTER TABLE record.encounter ADD COLUMN payer smallint NOT NULL DEFAULT 1;
