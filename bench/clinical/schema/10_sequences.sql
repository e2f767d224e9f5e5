-- Every sequence to the last number that the rows use.

DO $$
DECLARE
    c record;
    last bigint;
BEGIN
    FOR c IN
        SELECT a.attrelid::regclass AS tab, a.attname AS col,
            pg_get_serial_sequence(a.attrelid::regclass::text, a.attname)::regclass AS seq
        FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
        WHERE a.attidentity <> '' AND t.relnamespace IN
            ('record'::regnamespace, 'emergency'::regnamespace, 'outpatient'::regnamespace)
        UNION ALL VALUES
            ('record.observation'::regclass, 'id', 'record.observation_id_seq'::regclass),
            ('record."order"', 'id', 'record.order_number_seq'),
            ('emergency.incident', 'id', 'emergency.incident_id_seq')
    LOOP
        EXECUTE format('SELECT max(%I) FROM %s', c.col, c.tab) INTO last;
        IF last IS NOT NULL THEN
            PERFORM setval(c.seq, last);
        END IF;
    END LOOP;
    PERFORM setval('emergency.ticket_seq', 417);
END $$;
