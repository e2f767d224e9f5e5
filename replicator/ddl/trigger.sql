CREATE SCHEMA IF NOT EXISTS replicator;
CREATE OR REPLACE FUNCTION replicator.emit_ddl(what jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $tell$
BEGIN
    PERFORM pg_logical_emit_message(true, 'replicator.ddl', convert_to((jsonb_build_object('v', 2) || what)::text, 'UTF8'));
    -- The server orders a message by the end of its record, where the next one begins. Ours is made in a subtransaction
    -- (EXCEPTION), and a row that followed at once in the transaction around it could come first: so an empty one follows.
    PERFORM pg_logical_emit_message(true, 'replicator.ddl', '');
END $tell$;
-- Those of a partitioned table's tree that this transaction, or another since it began, has changed, and tables that stand in
-- no tree now and were changed, for they may have stood in this one; each with all that is below it where its place changed.
CREATE OR REPLACE FUNCTION replicator.changed_with(root oid) RETURNS oid[] LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $tell$
    WITH RECURSIVE since AS MATERIALIZED (
        SELECT age(pg_current_xact_id()::xid) AS most
    ), placed AS MATERIALIZED (
        SELECT c.oid FROM pg_class c, since WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND age(c.xmin) <= most
    ), tree AS (
        SELECT root AS oid, 0 AS depth, EXISTS (SELECT FROM placed WHERE oid = root) AS moved
        UNION ALL SELECT i.inhrelid, t.depth + 1, t.moved OR EXISTS (SELECT FROM placed WHERE oid = i.inhrelid)
        FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid
    ), away AS (
        SELECT c.oid, 0 AS depth FROM placed JOIN pg_class c USING (oid) WHERE NOT c.relispartition AND c.oid <> root
        UNION ALL SELECT i.inhrelid, a.depth + 1 FROM away a JOIN pg_inherits i ON i.inhparent = a.oid
    ), every AS (
        SELECT t.oid, t.depth FROM tree t WHERE t.depth > 0 AND (t.moved OR EXISTS (SELECT FROM pg_attribute a, since WHERE a.attrelid = t.oid AND age(a.xmin) <= most))
        UNION SELECT oid, depth FROM away
    )
    SELECT array_agg(e.oid ORDER BY e.depth, e.oid) FROM (SELECT oid, min(depth) AS depth FROM every GROUP BY oid) e JOIN pg_class c USING (oid) WHERE c.relkind IN ('r', 'p')
$tell$;
CREATE OR REPLACE FUNCTION replicator.table_states(relations oid[]) RETURNS SETOF jsonb LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres' SET timezone = 'UTC'
    SET bytea_output = 'hex' SET extra_float_digits = 3 SET xmloption = 'content' SET xmlbinary = 'base64' SET lc_monetary = 'C' AS $tell$
    WITH RECURSIVE made AS MATERIALIZED (
        SELECT oid AS whole, typbasetype AS part FROM pg_type WHERE typtype = 'd'
        UNION ALL SELECT oid, typelem FROM pg_type WHERE typsubscript = 'array_subscript_handler'::regproc
        UNION ALL SELECT t.oid, a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
            WHERE t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped AND EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c')
        UNION ALL SELECT rngtypid, rngsubtype FROM pg_range
        UNION ALL SELECT rngmultitypid, rngtypid FROM pg_range
    ), inside AS (
        SELECT atttypid AS whole, atttypid AS part FROM pg_attribute WHERE attrelid = ANY (relations) AND attnum > 0 AND NOT attisdropped
        UNION SELECT i.whole, m.part FROM inside i JOIN made m ON m.whole = i.part
    ), odd AS MATERIALIZED (
        SELECT DISTINCT i.whole FROM inside i JOIN pg_type t ON t.oid = i.part
        WHERE t.typtype IN ('b', 'r', 'm') AND (t.typsend = 0 OR t.typreceive = 0 OR t.typnamespace = 'pg_catalog'::regnamespace
            AND (t.typname LIKE 'reg%' OR t.typname IN ('tsquery', 'int2vector', 'oidvector', 'money')))
    ), up(leaf, rel, depth) AS (
        SELECT oid, oid, 0 FROM pg_class WHERE oid = ANY (relations) AND relispartition
        UNION ALL SELECT u.leaf, i.inhparent, u.depth + 1 FROM up u JOIN pg_inherits i ON i.inhrelid = u.rel
    ), place AS MATERIALIZED (
        SELECT u.leaf, concat(max(md5(c.relpartbound::text)) FILTER (WHERE u.depth = 0), ' ',
            md5(string_agg(concat_ws(' ', format('%I.%I', n.nspname, c.relname), md5(c.relpartbound::text)), ',' ORDER BY u.depth) FILTER (WHERE u.depth > 0))) AS digest
        FROM up u JOIN pg_class c ON c.oid = u.rel JOIN pg_namespace n ON n.oid = c.relnamespace GROUP BY u.leaf
    )
    SELECT jsonb_build_object('oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'persistence', c.relpersistence,
        'identity', c.relreplident, 'file', c.relfilenode::bigint, 'typed', c.reloftype <> 0,
        'tree', EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) OR EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid),
        'above', COALESCE((SELECT string_agg(format('%I.%I', pn.nspname, p.relname), ', ' ORDER BY i.inhseqno)
                FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid), '')
            || COALESCE(' bound ' || (SELECT digest FROM place WHERE leaf = c.oid), '')
            || CASE WHEN EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid AND inhdetachpending) THEN ' detaching' ELSE '' END,
        'parent', (SELECT jsonb_build_object('schema', pn.nspname, 'name', p.relname) FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
            JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE i.inhrelid = c.oid AND c.relispartition),
        'checks', CASE WHEN NOT c.relispartition THEN (SELECT jsonb_agg(jsonb_build_object('name', k.conname, 'definition', pg_get_constraintdef(k.oid)) ORDER BY k.conname)
            FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conislocal AND k.convalidated AND NOT EXISTS (SELECT FROM pg_depend f
                WHERE f.classid = 'pg_constraint'::regclass AND f.objid = k.oid AND f.refclassid = 'pg_proc'::regclass)) END,
        'bound', COALESCE(pg_get_expr(c.relpartbound, c.oid), ''),
        'sequences', (SELECT jsonb_agg(s.relname ORDER BY s.relname) FROM pg_depend o JOIN pg_class s ON s.oid = o.objid AND s.relkind = 'S'
            WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass AND o.refobjid = c.oid AND o.deptype IN ('a', 'i')),
        'altered', COALESCE((SELECT md5(string_agg(a.attnum || ' ' || a.xmin, ',' ORDER BY a.attnum)) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0), ''),
        'generated', COALESCE((SELECT string_agg(format('%I %s AS %s', a.attname, format_type(a.atttypid, a.atttypmod), md5(d.adbin::text)), ', ' ORDER BY a.attnum)
            FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped), ''),
        'computed', (SELECT jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'expression', pg_get_expr(d.adbin, d.adrelid),
                'stored', a.attgenerated = 's', 'not_null', a.attnotnull,
                'calls', EXISTS (SELECT FROM pg_depend f WHERE f.classid = 'pg_attrdef'::regclass AND f.objid = d.oid AND f.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)),
                'collation', CASE WHEN a.attcollation <> t.typcollation THEN (SELECT format('%I.%I', ln.nspname, l.collname)
                    FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace WHERE l.oid = a.attcollation) END) ORDER BY a.attnum)
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped),
        'key', (SELECT jsonb_agg(a.attname ORDER BY k.pos) FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, pos)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE i.indrelid = c.oid AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)
            AND i.indislive AND i.indisvalid AND i.indisready AND i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
            AND k.pos <= i.indnkeyatts),
        'columns', COALESCE((SELECT jsonb_agg(jsonb_build_object('num', a.attnum, 'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'oid', a.atttypid::bigint,
            'array', t.typsubscript = 'array_subscript_handler'::regproc, 'not_null', a.attnotnull, 'identity', a.attidentity,
            'odd', EXISTS (SELECT FROM odd WHERE odd.whole = a.atttypid),
            'default', pg_get_expr(d.adbin, d.adrelid),
            'sequence', CASE WHEN a.attidentity <> '' THEN (SELECT jsonb_build_object('schema', sn.nspname, 'name', sc.relname, 'options',
                    format('INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s %s', q.seqincrement, q.seqmin, q.seqmax, q.seqstart, q.seqcache, CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END))
                FROM pg_depend sd JOIN pg_class sc ON sc.oid = sd.objid JOIN pg_namespace sn ON sn.oid = sc.relnamespace JOIN pg_sequence q ON q.seqrelid = sc.oid
                WHERE sd.classid = 'pg_class'::regclass AND sd.refclassid = 'pg_class'::regclass AND sd.refobjid = a.attrelid AND sd.refobjsubid = a.attnum AND sd.deptype = 'i') END,
            'filled', a.atthasmissing, 'fill', CASE WHEN a.atthasmissing AND t.typdelim = ',' THEN (a.attmissingval::text::text[])[1] END,
            'collation', CASE WHEN a.attcollation <> t.typcollation THEN (SELECT format('%I.%I', ln.nspname, l.collname)
                FROM pg_collation l JOIN pg_namespace ln ON ln.oid = l.collnamespace WHERE l.oid = a.attcollation) END) ORDER BY a.attnum)
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''), '[]'))
    FROM unnest(relations) WITH ORDINALITY AS r(oid, nth) JOIN pg_class c ON c.oid = r.oid JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY r.nth
$tell$;
-- One function for all three events. Whatever goes wrong in it never reaches the command that it tells of.
CREATE OR REPLACE FUNCTION replicator.tell_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $tell$
DECLARE
    stack text;
    plain boolean;
    simple text[];
    via record;
    reason int;
    r record;
    said jsonb;
    parts oid[];
    failed text;
BEGIN
    -- Plain is one ALTER TABLE that a client sent by itself, and nobody has called us on its way. Its USING, if there is
    -- one, is simple where it casts the column itself, to a type that has a name of its own.
    GET DIAGNOSTICS stack = PG_CONTEXT;
    plain := current_query() ~* '^\s*alter\s+table\s' AND current_query() !~ ';.*\S' AND stack !~ '\n';
    IF tg_event = 'table_rewrite' THEN
        reason := pg_event_trigger_table_rewrite_reason();
        simple := regexp_match(current_query(), '^\s*alter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?[\w."]+\s+alter\s+(?:column\s+)?("[^"]+"|\w+)\s+(?:set\s+data\s+)?type\s+'
            '[^,;:]+\s+using\s+("[^"]+"|\w+)\s*::\s*((?:(?:"[^"]+"|\w+)\.)?(?:"[^"]+"|\w+))\s*;?\s*$', 'i');
        SELECT t.oid, format_type(t.oid, NULL) AS name INTO via FROM pg_type t
            WHERE (simple[3] LIKE '%.%' OR (SELECT count(*) FROM pg_type WHERE typname = t.typname) = 1)
            AND t.oid = COALESCE(to_regtype(simple[3])::oid, (SELECT oid FROM pg_type WHERE typname = CASE WHEN simple[3] LIKE '"%' THEN btrim(simple[3], '"') ELSE lower(simple[3]) END LIMIT 1));
        IF (SELECT relpersistence FROM pg_class WHERE oid = pg_event_trigger_table_rewrite_oid()) <> 't' THEN
            PERFORM replicator.emit_ddl(jsonb_build_object('rewrite', jsonb_build_object('oid', pg_event_trigger_table_rewrite_oid()::bigint, 'reason', reason,
                'plain', plain AND (via.oid IS NOT NULL OR current_query() !~* 'using'),
                'using', CASE WHEN via.oid IS NOT NULL THEN jsonb_build_object('type', via.name, 'column', CASE WHEN replace(lower(simple[1]), '"', '') = replace(lower(simple[2]), '"', '')
                    THEN CASE WHEN simple[2] LIKE '"%' THEN btrim(simple[2], '"') ELSE lower(simple[2]) END ELSE '' END) END,
                'settings', jsonb_build_object('timezone', current_setting('timezone'), 'datestyle', current_setting('datestyle'),
                    'intervalstyle', current_setting('intervalstyle'), 'extra_float_digits', current_setting('extra_float_digits')))));
        END IF;
    ELSIF tg_event = 'sql_drop' THEN
        SELECT jsonb_agg(jsonb_build_object('kind', object_type, 'oid', objid::bigint, 'schema', address_names[1], 'name', address_names[2],
                'part', COALESCE(address_names[3], ''), 'original', original))
            INTO said FROM pg_event_trigger_dropped_objects() WHERE NOT is_temporary
            AND object_type IN ('table', 'index', 'sequence', 'view', 'materialized view', 'table constraint');
        IF said IS NOT NULL THEN
            PERFORM replicator.emit_ddl(jsonb_build_object('tag', tg_tag, 'dropped', said));
        END IF;
    ELSE
        FOR r IN SELECT DISTINCT classid, objid FROM pg_event_trigger_ddl_commands() WHERE NOT in_extension LOOP
            said := NULL;
            IF r.classid = 'pg_class'::regclass THEN
                IF EXISTS (SELECT FROM pg_class WHERE oid = r.objid AND relkind = 'r' AND relpersistence <> 't') AND tg_tag = 'ALTER TABLE' THEN
                    said := jsonb_build_object('state', (SELECT s FROM replicator.table_states(ARRAY[r.objid]) s));
                ELSIF EXISTS (SELECT FROM pg_class WHERE oid = r.objid AND relkind = 'p' AND relpersistence <> 't') AND tg_tag = 'ALTER TABLE' THEN
                    -- It, with how many more of its tree follow, then these.
                    parts := replicator.changed_with(r.objid);
                    FOR said IN SELECT CASE WHEN (s->>'oid')::oid = r.objid THEN jsonb_build_object('parts', COALESCE(array_length(parts, 1), 0))
                            ELSE jsonb_build_object('part', true) END || s FROM replicator.table_states(ARRAY[r.objid] || parts) s LOOP
                        PERFORM replicator.emit_ddl(jsonb_build_object('tag', tg_tag, 'state', said));
                    END LOOP;
                    said := NULL;
                ELSIF tg_tag = 'CREATE INDEX' THEN
                    SELECT jsonb_build_object('index', jsonb_build_object('schema', n.nspname, 'name', c.relname, 'table', i.indrelid::bigint,
                            'sql', pg_get_indexdef(c.oid), 'valid', i.indisvalid, 'whole', c.relkind = 'i' AND NOT c.relispartition))
                        INTO said FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
                        WHERE c.oid = r.objid AND c.relpersistence <> 't';
                END IF;
            ELSIF r.classid = 'pg_type'::regclass THEN
                SELECT jsonb_build_object('enum', jsonb_build_object('schema', n.nspname, 'name', t.typname,
                        'labels', (SELECT jsonb_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid)))
                    INTO said FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = r.objid AND t.typtype = 'e';
            END IF;
            IF said IS NOT NULL THEN
                PERFORM replicator.emit_ddl(said || jsonb_build_object('tag', tg_tag));
            END IF;
        END LOOP;
    END IF;
EXCEPTION WHEN OTHERS THEN
    failed := SQLSTATE;
    BEGIN
        PERFORM replicator.emit_ddl(jsonb_build_object('tag', tg_tag, 'failed', failed));
    EXCEPTION WHEN OTHERS THEN
        NULL; -- it is seen in the catalog
    END;
END $tell$;
COMMENT ON FUNCTION replicator.tell_ddl() IS '@VERSION@';
REVOKE ALL ON FUNCTION replicator.emit_ddl(jsonb), replicator.table_states(oid[]), replicator.changed_with(oid), replicator.tell_ddl() FROM PUBLIC;
DROP EVENT TRIGGER IF EXISTS replicator_ddl_end;
DROP EVENT TRIGGER IF EXISTS replicator_ddl_drop;
DROP EVENT TRIGGER IF EXISTS replicator_ddl_rewrite;
CREATE EVENT TRIGGER replicator_ddl_end ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'CREATE INDEX', 'ALTER TYPE') EXECUTE FUNCTION replicator.tell_ddl();
CREATE EVENT TRIGGER replicator_ddl_drop ON sql_drop WHEN TAG IN ('DROP TABLE', 'DROP INDEX', 'DROP SCHEMA', 'DROP OWNED') EXECUTE FUNCTION replicator.tell_ddl();
CREATE EVENT TRIGGER replicator_ddl_rewrite ON table_rewrite EXECUTE FUNCTION replicator.tell_ddl();
ALTER EVENT TRIGGER replicator_ddl_end ENABLE ALWAYS;
ALTER EVENT TRIGGER replicator_ddl_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER replicator_ddl_rewrite ENABLE ALWAYS;
