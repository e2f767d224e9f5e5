package schema

import (
	"context"
	"fmt"

	"replicator/replicator/pg"
)

// Database is what a database is made with, and what is set on it. pg_dump leaves all of it out
// unless it makes the database itself.
type Database struct {
	Name             string   `json:"name"`
	Owner            string   `json:"owner"`
	Version          int      `json:"version"` // server_version_num
	Encoding         string   `json:"encoding"`
	Provider         string   `json:"provider"` // of the default collation: libc, icu or builtin
	Collate          string   `json:"collate"`
	CType            string   `json:"ctype"`
	Locale           string   `json:"locale,omitempty"`            // of icu and builtin
	CollationVersion string   `json:"collation_version,omitempty"` // that the indexes were made with, from 15
	LibraryVersion   string   `json:"library_version,omitempty"`   // that the server finds now, from 15
	Tablespace       string   `json:"tablespace"`
	Settings         []string `json:"settings,omitempty"` // name=value of ALTER DATABASE ... SET, all roles
	ConnectionLimit  int      `json:"connection_limit"`   // -1 none
	Comment          string   `json:"comment,omitempty"`
	Rights           []Right  `json:"rights,omitempty"` // on the database, of others than its owner
}

// Right is a right on the database. Grantee is "" for PUBLIC.
type Right struct {
	Grantee   string `json:"grantee"`
	Privilege string `json:"privilege"`
	Grantable bool   `json:"grantable,omitempty"`
}

// DatabaseFacts reads the database that conn is connected to. Columns that a version lacks are
// read through JSON, so that one query serves all.
func DatabaseFacts(ctx context.Context, conn *pg.Conn) (Database, error) {
	r, err := conn.Row(ctx, `SELECT d.datname, pg_get_userbyid(d.datdba), current_setting('server_version_num'),
			pg_encoding_to_char(d.encoding),
			CASE to_jsonb(d) ->> 'datlocprovider' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
			d.datcollate, d.datctype,
			COALESCE(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', ''),
			COALESCE(to_jsonb(d) ->> 'datcollversion', ''), t.spcname, d.oid,
			d.datconnlimit, COALESCE(shobj_description(d.oid, 'pg_database'), '')
		FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
		WHERE d.datname = current_database()`)
	if err != nil {
		return Database{}, fmt.Errorf("read database: %w", err)
	}
	db := Database{
		Name: r[0], Owner: r[1], Version: int(integer(r[2])), Encoding: r[3], Provider: r[4],
		Collate: r[5], CType: r[6], Locale: r[7], CollationVersion: r[8], Tablespace: r[9],
		ConnectionLimit: int(integer(r[11])), Comment: r[12],
	}
	if db.Version >= 150000 {
		if db.LibraryVersion, err = conn.Value(ctx,
			`SELECT COALESCE(pg_database_collation_actual_version($1::oid), '')`, r[10]); err != nil {
			return Database{}, fmt.Errorf("read collation version: %w", err)
		}
	}
	settings, err := conn.Query(ctx, `SELECT cfg FROM pg_db_role_setting, unnest(setconfig) cfg
		WHERE setdatabase = $1::oid AND setrole = 0 ORDER BY cfg`, r[10])
	if err != nil {
		return Database{}, fmt.Errorf("read database settings: %w", err)
	}
	for _, s := range settings {
		db.Settings = append(db.Settings, s[0])
	}
	rights, err := conn.Query(ctx, `SELECT CASE WHEN a.grantee = 0 THEN '' ELSE pg_get_userbyid(a.grantee) END, a.privilege_type, a.is_grantable
		FROM pg_database d, aclexplode(COALESCE(d.datacl, acldefault('d', d.datdba))) a
		WHERE d.oid = $1::oid AND a.grantee <> d.datdba ORDER BY 1, 2`, r[10])
	if err != nil {
		return Database{}, fmt.Errorf("read rights on the database: %w", err)
	}
	for _, a := range rights {
		db.Rights = append(db.Rights, Right{Grantee: a[0], Privilege: a[1], Grantable: a[2] == "t"})
	}
	return db, nil
}

// Owners lists the roles that own anything in the database that is moved: they must exist on the
// target, and our role must be a member of each. Publications and subscriptions stay behind. What
// the bootstrap superuser owns is not in pg_shdepend, so it is looked for.
func Owners(ctx context.Context, conn *pg.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, `WITH made AS (
			SELECT 'pg_class'::regclass AS class, oid, relowner AS owner FROM pg_class c WHERE relpersistence <> 't' AND relkind <> 't'
			UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner FROM pg_namespace n WHERE `+userSchema+`
			UNION ALL SELECT 'pg_proc'::regclass, oid, proowner FROM pg_proc
			UNION ALL SELECT 'pg_type'::regclass, oid, typowner FROM pg_type
			UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner FROM pg_operator
			UNION ALL SELECT 'pg_foreign_server'::regclass, oid, srvowner FROM pg_foreign_server
			UNION ALL SELECT 'pg_event_trigger'::regclass, oid, evtowner FROM pg_event_trigger WHERE evtname NOT LIKE 'replicator\_ddl\_%'
		), pinned AS (
			SELECT DISTINCT owner FROM made m
			WHERE oid >= 16384 AND owner = 10 AND NOT EXISTS (SELECT FROM pg_depend x
				WHERE x.classid = m.class AND x.objid = m.oid AND x.deptype = 'e')
		), recorded AS (
			SELECT DISTINCT s.refobjid FROM pg_shdepend s
			WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
				AND s.classid <> ALL ('{pg_publication,pg_subscription,pg_extension}'::regclass[])
				AND NOT EXISTS (SELECT FROM pg_depend x
					WHERE x.classid = s.classid AND x.objid = s.objid AND x.deptype = 'e')
		)
		SELECT rolname FROM pg_roles WHERE oid IN (SELECT owner FROM pinned UNION SELECT refobjid FROM recorded) ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("list owners: %w", err)
	}
	names := make([]string, len(rows))
	for i, r := range rows {
		names[i] = r[0]
	}
	return names, nil
}
