package ddl

// TakeAway drops tables that setting replicator.anew has, as JSON: foreign keys that point to them, or
// (unless they go alone) to what they are partitions of, then views from the outermost on, then the tables
// from the leaves on. It acts as an owner only where our role may not do it itself. Views that are made anew
// go also where the target has nothing by which they hang on the tables: rules are made at the fence.
const TakeAway = `DO $replicator$
DECLARE
	plan jsonb := pg_catalog.current_setting('replicator.anew')::jsonb;
	goes oid[] := ARRAY(SELECT pg_catalog.to_regclass(n)::oid FROM pg_catalog.jsonb_array_elements_text(plan->'tables') n
		WHERE pg_catalog.to_regclass(n) IS NOT NULL);
	r record;
BEGIN
	FOR r IN
		WITH RECURSIVE above(oid) AS (
			SELECT unnest(goes) UNION SELECT i.inhparent FROM above a JOIN pg_inherits i ON i.inhrelid = a.oid WHERE NOT coalesce((plan->>'alone')::boolean, false)
		), foreigners AS (
			SELECT c.relowner, 1 AS rank, 0 AS depth, format('ALTER TABLE %I.%I DROP CONSTRAINT %I', n.nspname, c.relname, k.conname) AS sql, true AS known
			FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid <> k.confrelid AND k.confrelid IN (SELECT oid FROM above)
		), shows(oid, depth) AS (
			SELECT unnest(goes), 0
			UNION SELECT pg_catalog.to_regclass(v)::oid, 1 FROM pg_catalog.jsonb_array_elements_text(plan->'views') v
				WHERE pg_catalog.to_regclass(v) IS NOT NULL AND NOT coalesce((plan->>'alone')::boolean, false)
			UNION SELECT w.ev_class, s.depth + 1 FROM shows s JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid
				JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid AND w.ev_class <> s.oid
		), views AS (
			SELECT c.relowner, 2 AS rank, -max(s.depth) AS depth, format('DROP %s VIEW %I.%I', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED' ELSE '' END, n.nspname, c.relname) AS sql,
				plan->'views' ? format('%I.%I', n.nspname, c.relname) OR plan->'views' ? format('"%s"."%s"', replace(n.nspname, '"', '""'), replace(c.relname, '"', '""')) AS known
			FROM shows s JOIN pg_class c ON c.oid = s.oid JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind IN ('v', 'm') GROUP BY c.oid, c.relowner, c.relkind, n.nspname, c.relname
		), tree(oid, leaf) AS (
			SELECT unnest(goes), unnest(goes) UNION ALL SELECT i.inhparent, t.leaf FROM tree t JOIN pg_inherits i ON i.inhrelid = t.oid
		), tables AS (
			SELECT c.relowner, 3 AS rank, -count(*) AS depth, format('DROP TABLE %I.%I', n.nspname, c.relname) AS sql, true AS known
			FROM tree t JOIN pg_class c ON c.oid = t.leaf JOIN pg_namespace n ON n.oid = c.relnamespace
			GROUP BY c.oid, c.relowner, n.nspname, c.relname
		), sequences AS (
			SELECT c.relowner, 4 AS rank, 0 AS depth, format('DROP SEQUENCE IF EXISTS %I.%I', n.nspname, c.relname) AS sql, true AS known
			FROM pg_catalog.jsonb_array_elements_text(plan->'sequences') q JOIN pg_class c ON c.oid = pg_catalog.to_regclass(q) AND c.relkind = 'S'
				JOIN pg_namespace n ON n.oid = c.relnamespace
		)
		SELECT o.rolname, x.sql, x.known FROM (
			TABLE foreigners UNION ALL TABLE views UNION ALL TABLE tables UNION ALL TABLE sequences) x
			JOIN pg_roles o ON o.oid = x.relowner
		ORDER BY x.rank, x.depth, x.sql
	LOOP
		IF NOT r.known THEN
			RAISE dependent_objects_still_exist;
		END IF;
		IF NOT pg_catalog.pg_has_role(r.rolname, 'USAGE') AND pg_catalog.pg_has_role(r.rolname, 'MEMBER') THEN
			PERFORM pg_catalog.set_config('role', r.rolname, true);
		END IF;
		EXECUTE r.sql;
		PERFORM pg_catalog.set_config('role', 'none', true);
	END LOOP;
END $replicator$;
`
