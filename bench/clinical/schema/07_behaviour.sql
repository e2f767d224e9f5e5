-- Functions, triggers and rules, made after the rows so that loading does not fire them.

CREATE FUNCTION record.write_audit() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$
BEGIN
    INSERT INTO record.audit (actor, action, relation, row_id, before)
    VALUES (current_setting('clinical.actor', true), TG_OP::record.action, TG_TABLE_NAME,
        CASE TG_OP WHEN 'INSERT' THEN NEW.id ELSE OLD.id END,
        CASE TG_OP WHEN 'INSERT' THEN NULL ELSE to_jsonb(OLD) END);
    RETURN NULL;
END $$;

CREATE TRIGGER patient_audit AFTER INSERT OR UPDATE OR DELETE ON record.patient
    FOR EACH ROW EXECUTE FUNCTION record.write_audit();
CREATE TRIGGER encounter_audit AFTER UPDATE OR DELETE ON record.encounter
    FOR EACH ROW EXECUTE FUNCTION record.write_audit();
CREATE TRIGGER medication_audit AFTER UPDATE OF dose, stopped ON record.medication
    FOR EACH ROW WHEN (OLD.dose IS DISTINCT FROM NEW.dose OR NEW.stopped)
    EXECUTE FUNCTION record.write_audit();

CREATE FUNCTION record.count_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    NEW.changed_at := clock_timestamp();
    RETURN NEW;
END $$;

-- Fires even under session_replication_role = replica: a copy that let it would count twice.
CREATE TRIGGER note_revision BEFORE UPDATE ON record.note
    FOR EACH ROW EXECUTE FUNCTION record.count_revision();
ALTER TABLE record.note ENABLE ALWAYS TRIGGER note_revision;

CREATE FUNCTION emergency.forget_board() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM emergency.board_cache b USING new_rows n WHERE b.bay_id = n.bay_id;
    RETURN NULL;
END $$;

CREATE TRIGGER occupancy_board AFTER INSERT ON emergency.bay_occupancy
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION emergency.forget_board();

CREATE TRIGGER visit_audit_off AFTER DELETE ON emergency.visit
    FOR EACH STATEMENT EXECUTE FUNCTION record.write_audit();
ALTER TABLE emergency.visit DISABLE TRIGGER visit_audit_off;

-- A consent is never deleted, only revoked.
CREATE RULE consent_is_revoked AS ON DELETE TO record.consent DO INSTEAD
    UPDATE record.consent SET revoked = now() WHERE id = OLD.id AND revoked IS NULL;

CREATE RULE appointment_keeps_history AS ON UPDATE TO outpatient.appointment
    WHERE NEW.status <> OLD.status DO ALSO
    INSERT INTO outpatient.appointment_history (appointment_id, status) VALUES (OLD.id, OLD.status);
