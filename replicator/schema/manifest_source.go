package schema

import (
	"context"
	"encoding/json"
	"fmt"

	"replicator/replicator/pg"
)

// Losses say what is looked for.
type Losses struct {
	Select Selection
	Target *Site    // what the target's side says; nil leaves out what takes both sides
	Own    []string // names of our slot and publication, which are nobody's loss
	Made   bool     // the schema is on the target: what our role may carry of the database was carried then
	Fenced bool     // the source is fenced: its database's properties are not its own now

	Libraries *Libraries // of the source's server, or nil
}

// Read looks for everything that will not be on the target as it is on the source.
func (l *Losses) Read(ctx context.Context, conn *pg.Conn) (*Manifest, error) {
	oids, err := l.Select.oids(ctx, conn)
	if err != nil {
		return nil, err
	}
	var items []Item
	for i := range leftOut {
		found, err := l.find(ctx, conn, oids, &leftOut[i])
		if err != nil {
			return nil, err
		}
		items = append(items, found...)
	}
	for _, look := range []func(context.Context, *pg.Conn, string) ([]Item, error){configurationItems, orderItems} {
		found, err := look(ctx, conn, oids)
		if err != nil {
			return nil, err
		}
		items = append(items, found...)
	}
	if l.Select.IsZero() && (l.Target == nil || !l.Target.Superuser) {
		found, err := superuserItems(ctx, conn)
		if err != nil {
			return nil, err
		}
		items = append(items, found...)
	}
	if l.Target == nil {
		return newManifest(items), nil
	}
	both, err := l.bothSides(ctx, conn, oids)
	return newManifest(append(items, both...)), err
}

// bothSides are the items that come of a look at both.
func (l *Losses) bothSides(ctx context.Context, conn *pg.Conn, oids string) ([]Item, error) {
	src, err := ReadSite(ctx, conn, l.Libraries)
	if err != nil {
		return nil, err
	}
	items, err := collationItems(ctx, conn, oids, src, l.Target)
	if err != nil {
		return nil, err
	}
	leaves, err := identityItems(ctx, conn, oids, l.Target)
	items = append(items, leaves...)
	if err != nil || !l.Select.IsZero() {
		return items, err // as with pg_dump, a selection has no say in the database itself
	}
	if !l.Fenced {
		items = append(items, databaseItems(src, l.Target, l.Made)...)
	}
	referred, err := ReferredRoles(ctx, conn, src.Roles)
	if err != nil {
		return nil, err
	}
	return append(items, roleItems(referred, src, l.Target)...), nil
}

// omission is a kind of thing that is not carried, or not as it is, with the query that names those
// that the source has. $1 are the relations that the selection means, $2 the names that are ours.
type omission struct {
	kind, why, do string
	loss          bool
	whole         bool // only where the whole database is meant: a selection leaves it out anyway
	unlessSuper   bool // our role on the target being a superuser, it is carried
	sql           string
}

func (l *Losses) find(ctx context.Context, conn *pg.Conn, oids string, o *omission) ([]Item, error) {
	if o.whole && !l.Select.IsZero() || o.unlessSuper && l.Target != nil && l.Target.Superuser {
		return nil, nil
	}
	own, err := json.Marshal(append([]string{}, l.Own...))
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, "SELECT DISTINCT name FROM ("+o.sql+") AS o (name) WHERE $1::oid[] IS NOT NULL AND $2::jsonb IS NOT NULL ORDER BY 1", oids, string(own))
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", o.kind, err)
	}
	items := make([]Item, len(rows))
	for i, r := range rows {
		items[i] = Item{Kind: o.kind, Name: r[0], Why: o.why, Do: o.do, Loss: o.loss}
	}
	return items, nil
}

const bySuperuser = "let a superuser make it on the target, with pg_dump's text of it"

// notMember is the condition that an object, a row x of a catalog, came with no extension.
func notMember(catalog, oid string) string {
	return `NOT EXISTS (SELECT FROM pg_depend m WHERE m.classid = '` + catalog + `'::regclass AND m.objid = ` + oid + ` AND m.deptype = 'e')`
}

// leftOut is what pg_dump leaves out, what our role on the target may not make, and what depends on
// something outside of the database.
var leftOut = []omission{
	{kind: "invalid index", why: "left behind by a build that failed; pg_dump leaves it out", loss: true,
		do: "drop it on the source, or build it on the target when that is open",
		sql: `SELECT n.nspname || '.' || c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE NOT i.indisvalid AND c.relkind = 'i' AND i.indrelid = ANY ($1::oid[])`},
	{kind: "rule", why: "renamed to _RETURN, which a server takes for a view's", loss: true,
		do: "give it another name on the source: ALTER RULE ... RENAME TO ...",
		sql: `SELECT n.nspname || '.' || c.relname || '._RETURN' FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE r.rulename = '_RETURN' AND r.ev_type <> '1' AND c.oid = ANY ($1::oid[])`},
	{kind: "subscription", why: "not made on the target: what it receives goes on to reach the source only", loss: true, whole: true,
		do:  "decide who receives after the move, and from where",
		sql: `SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`},
	{kind: "event trigger", why: "takes a superuser, which our role on the target is not", do: bySuperuser, loss: true, whole: true, unlessSuper: true,
		sql: `SELECT evtname FROM pg_event_trigger e WHERE evtname NOT LIKE 'replicator\_ddl\_%' AND ` + notMember("pg_event_trigger", "e.oid")},
	{kind: "object in pg_catalog", why: "made among the server's own objects, where pg_dump does not look", do: "make it on the target by hand", loss: true, whole: true,
		sql: `SELECT 'function ' || p.oid::regprocedure FROM pg_proc p WHERE p.oid >= 16384 AND p.pronamespace = 'pg_catalog'::regnamespace AND ` + notMember("pg_proc", "p.oid") + `
			UNION ALL SELECT 'relation ' || c.oid::regclass FROM pg_class c WHERE c.oid >= 16384 AND c.relnamespace = 'pg_catalog'::regnamespace AND ` + notMember("pg_class", "c.oid") + `
			UNION ALL SELECT 'type ' || t.oid::regtype FROM pg_type t WHERE t.oid >= 16384 AND t.typnamespace = 'pg_catalog'::regnamespace AND t.typrelid = 0
				AND t.typcategory <> 'A' AND ` + notMember("pg_type", "t.oid")},
	{kind: "right on an object of the server", why: "granted or revoked on an object of PostgreSQL's own, which takes a superuser on the target", do: bySuperuser,
		loss: true, whole: true, unlessSuper: true,
		sql: `SELECT name FROM (
				SELECT p.oid::regprocedure::text AS name, COALESCE(p.proacl, acldefault('f', p.proowner)) AS have, COALESCE(i.initprivs, acldefault('f', p.proowner)) AS made
				FROM pg_proc p LEFT JOIN pg_init_privs i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid AND i.objsubid = 0
				WHERE p.oid < 16384 AND p.pronamespace = 'pg_catalog'::regnamespace
				UNION ALL
				SELECT c.oid::regclass::text, COALESCE(c.relacl, acldefault('r', c.relowner)), COALESCE(i.initprivs, acldefault('r', c.relowner))
				FROM pg_class c LEFT JOIN pg_init_privs i ON i.classoid = 'pg_class'::regclass AND i.objoid = c.oid AND i.objsubid = 0
				WHERE c.oid < 16384 AND c.relkind IN ('r', 'v') AND c.relnamespace = 'pg_catalog'::regnamespace
			) AS o WHERE have <> made AND ARRAY(SELECT unnest(have)::text ORDER BY 1) <> ARRAY(SELECT unnest(made)::text ORDER BY 1)`},
	{kind: "owner of an object of the server", why: "given away by a superuser, of which pg_dump says nothing", do: "ALTER ... OWNER TO on the target", loss: true, whole: true,
		sql: `SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE oid < 16384 AND proowner <> 10
			UNION ALL SELECT 'relation ' || oid::regclass FROM pg_class WHERE oid < 16384 AND relowner <> 10
			UNION ALL SELECT 'type ' || oid::regtype FROM pg_type WHERE oid < 16384 AND typowner <> 10
			UNION ALL SELECT 'schema ' || oid::regnamespace FROM pg_namespace WHERE oid < 16384 AND nspname <> 'public' AND nspowner <> 10`},
	{kind: "security label", why: "made only where its provider is loaded on the target", do: "load the provider there, see shared_preload_libraries", loss: true, whole: true,
		sql: `SELECT provider || ' on ' || pg_describe_object(classoid, objoid, objsubid) FROM pg_seclabel
			WHERE NOT EXISTS (SELECT FROM pg_depend m WHERE m.classid = classoid AND m.objid = objoid AND m.deptype = 'e')
			UNION ALL SELECT provider || ' on the database' FROM pg_shseclabel WHERE classoid = 'pg_database'::regclass
				AND objoid = (SELECT oid FROM pg_database WHERE datname = current_database())`},
	{kind: "user mapping", why: "made without its options, if it has any: they hold user and password, and our role may not see them", loss: true, whole: true,
		do: "set them on the target: ALTER USER MAPPING FOR ... OPTIONS (...)",
		sql: `SELECT COALESCE(NULLIF(usename, 'public'), 'PUBLIC') || ' at ' || srvname FROM pg_user_mappings m
			WHERE umoptions IS NULL AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)`},
	{kind: "xml", why: "PostgreSQL prints a document without a plain declaration and the newline it begins with: these are lost, and of two newlines or more the comparison at the fence sees it", loss: true,
		do: "look for rows with column::text LIKE E'\\n\\n%' on the source, and trim them there before the seed",
		sql: `SELECT DISTINCT n.nspname || '.' || c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
				JOIN pg_type t ON t.oid = a.atttypid
			WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ANY ($1::oid[]) AND 'xml'::regtype IN (t.oid, t.typbasetype, t.typelem)`},

	{kind: "user mapping with password", why: "carried with its options, the password too", whole: true,
		sql: `SELECT COALESCE(NULLIF(usename, 'public'), 'PUBLIC') || ' at ' || srvname FROM pg_user_mappings WHERE umoptions IS NOT NULL`},
	{kind: "publication", why: "not made on the target: its subscribers hold positions of the source's WAL", whole: true,
		do:  "make it there when the target is open, and let its subscribers copy or continue as their maker says",
		sql: `SELECT pubname FROM pg_publication WHERE pubname <> ALL (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))`},
	{kind: "materialized view", why: "filled anew at the fence: where it was stale on the source it shows other rows",
		sql: `SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.relkind = 'm' AND c.relispopulated AND c.oid = ANY ($1::oid[])`},
	{kind: "foreign table", why: "its definition moves, its rows are elsewhere: its server must be reachable from the target",
		sql: `SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'f' AND c.oid = ANY ($1::oid[])`},
	{kind: "function in a library", why: "the library must be on the target, at the same place", whole: true,
		sql: `SELECT p.oid::regprocedure || ' in ' || p.probin FROM pg_proc p WHERE p.probin LIKE '/%' AND ` + notMember("pg_proc", "p.oid")},
	{kind: "logical slot", why: "of another consumer, which reads the source's WAL", do: "let it begin anew at the target", whole: true,
		sql: `SELECT slot_name || COALESCE(' (' || plugin || ')', '') FROM pg_replication_slots WHERE database = current_database() AND slot_name <> ALL (ARRAY(SELECT jsonb_array_elements_text($2::jsonb)))`},
}

// configurationItems names the tables in which an extension keeps what people have configured, where
// there is anything in them that the extension's script has not put there.
func configurationItems(ctx context.Context, conn *pg.Conn, _ string) ([]Item, error) {
	tables, err := conn.Query(ctx, `SELECT format('%I.%I', n.nspname, c.relname), n.nspname || '.' || c.relname, e.extname, COALESCE(e.extcondition[k.pos], ''),
			has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
		FROM pg_extension e CROSS JOIN LATERAL unnest(e.extconfig) WITH ORDINALITY AS k(oid, pos)
			JOIN pg_class c ON c.oid = k.oid AND c.relkind IN ('r', 'p') JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("list configuration tables: %w", err)
	}
	var items []Item
	for _, t := range tables {
		i := Item{Kind: "configuration of an extension", Name: t[1], Loss: true,
			Why: "rows that were added to this table of extension " + t[2] + " are not moved",
			Do:  "copy them with psql: \\copy (SELECT * FROM " + t[0] + " " + t[3] + ") TO ... on the source, \\copy " + t[0] + " FROM ... on the target"}
		if t[4] == "t" {
			// The condition is the extension's own, and says which rows are people's.
			some, err := conn.Value(ctx, "SELECT EXISTS (SELECT FROM "+t[0]+" "+t[3]+")")
			if err != nil {
				return nil, fmt.Errorf("look into %s: %w", t[1], err)
			}
			if some == "f" {
				continue
			}
		}
		items = append(items, i)
	}
	return items, nil
}
