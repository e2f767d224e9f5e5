package source

import (
	"context"
	"fmt"
	"strings"
	"time"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// FenceMode is who stops the wards' writes.
type FenceMode string

// The modes.
const (
	FenceDatabase FenceMode = "database" // we: read-only, nobody may connect, sessions ended
	FenceOperator FenceMode = "operator" // the operator has; we look that nobody writes
)

// FenceMemory is what Lift needs to put everything back. It is kept durably before anything changes.
type FenceMemory struct {
	Mode     FenceMode `json:"mode"`
	Readonly string    `json:"readonly"` // ALTER DATABASE SET default_transaction_read_only as it was; "" unset
	Grantees []string  `json:"grantees"` // roles that lost CONNECT, the owner too, quoted; PUBLIC unquoted
}

// Remember reads what the fence is about to change.
func Remember(ctx context.Context, conn *pg.Conn, mode FenceMode) (FenceMemory, error) {
	m := FenceMemory{Mode: mode}
	if mode == FenceOperator {
		return m, nil
	}
	rows, err := conn.Query(ctx, `SELECT split_part(s, '=', 2) FROM pg_db_role_setting, unnest(setconfig) s, pg_database d
		WHERE setdatabase = d.oid AND setrole = 0 AND datname = current_database() AND s LIKE 'default\_transaction\_read\_only=%'`)
	if err != nil {
		return m, fmt.Errorf("read settings of the source database: %w", err)
	}
	if len(rows) == 1 {
		m.Readonly = rows[0][0]
	}
	rows, err = conn.Query(ctx, `SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END
		FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a LEFT JOIN pg_roles r ON r.oid = a.grantee
		WHERE d.datname = current_database() AND a.privilege_type = 'CONNECT'
			AND a.grantee <> (SELECT oid FROM pg_roles WHERE rolname = current_user)`)
	if err != nil {
		return m, fmt.Errorf("read privileges of the source database: %w", err)
	}
	for _, r := range rows {
		m.Grantees = append(m.Grantees, r[0])
	}
	return m, nil
}

// Raise puts the fence up; it can be repeated. A default that a session can set back is no fence by
// itself: nobody new may connect and those who are there are sent away. The proof that it held
// is in the stream.
func Raise(ctx context.Context, conn *pg.Conn, m FenceMemory, ours string) (string, error) {
	if m.Mode == FenceOperator {
		return "fenced by the operator", nil
	}
	db, err := databaseName(ctx, conn)
	if err != nil {
		return "", err
	}
	super, err := conn.Value(ctx, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
	if err != nil {
		return "", err
	}
	var sql strings.Builder
	if super != "t" { // who is asked for no right
		fmt.Fprintf(&sql, "GRANT CONNECT ON DATABASE %s TO CURRENT_USER;\n", db)
	}
	fmt.Fprintf(&sql, "ALTER DATABASE %s SET default_transaction_read_only = on;\n", db)
	if len(m.Grantees) > 0 {
		fmt.Fprintf(&sql, "REVOKE CONNECT ON DATABASE %s FROM %s;\n", db, strings.Join(m.Grantees, ", "))
	}
	if err := conn.Exec(ctx, sql.String()); err != nil {
		return "", fault.New(fault.Preflight, fmt.Errorf("fence the source database: %w", err),
			"it takes the database's owner: see replicator sql source-setup, or stop the services yourself and use --fence operator")
	}
	n, err := sendAway(ctx, conn, ours)
	if err != nil {
		return "", fault.New(fault.Preflight, fmt.Errorf("end the sessions on the source: %w", err),
			"it takes pg_signal_backend: see replicator sql source-setup")
	}
	return fmt.Sprintf("%d sessions ended, new ones refused", n), nil
}

// sendAway ends the sessions of others until there are none at two looks: one that was let in before the
// fence and is still starting shows itself only then, and may not be read-only. A role that nobody can
// refuse, our own or a superuser's, may come back for ever; the audit and the proof watch those.
func sendAway(ctx context.Context, conn *pg.Conn, ours string) (sent int, err error) {
	pids := map[string]bool{}
	for look := 1; ; look++ {
		rows, err := conn.Query(ctx, `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = a.usename
			WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
				AND NOT starts_with(application_name, $1) AND (NOT r.rolsuper OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))`, ours)
		if err != nil {
			return 0, err
		}
		for _, r := range rows {
			pids[r[0]] = true
		}
		if len(rows) == 0 && look > 1 || look == auditLooks {
			return len(pids), nil
		}
		if err := pg.Pause(ctx, sendPause); err != nil {
			return 0, err
		}
	}
}

const sendPause = 100 * time.Millisecond

// LiftFence puts back what Raise changed, if it did: where it was not allowed to, we may not either.
func LiftFence(ctx context.Context, conn *pg.Conn, m FenceMemory) error {
	if m.Mode == FenceOperator {
		return nil
	}
	now, err := Remember(ctx, conn, m.Mode)
	if err != nil {
		return err
	}
	if now.Readonly == m.Readonly && len(without(m.Grantees, now.Grantees)) == 0 {
		return nil
	}
	db, err := databaseName(ctx, conn)
	if err != nil {
		return err
	}
	sql := fmt.Sprintf("ALTER DATABASE %s RESET default_transaction_read_only;\n", db)
	if m.Readonly != "" {
		sql = fmt.Sprintf("ALTER DATABASE %s SET default_transaction_read_only = %s;\n", db, pg.Literal(m.Readonly))
	}
	if len(m.Grantees) > 0 {
		sql += fmt.Sprintf("GRANT CONNECT ON DATABASE %s TO %s;\n", db, strings.Join(m.Grantees, ", "))
	}
	return conn.Exec(ctx, sql)
}

func databaseName(ctx context.Context, conn *pg.Conn) (string, error) {
	return conn.Value(ctx, "SELECT quote_ident(current_database())")
}

// Audit names the sessions and prepared transactions of others that hold a transaction that writes,
// and sessions that the fence should have sent away. It gives sessions that are being ended a moment.
func Audit(ctx context.Context, conn *pg.Conn, ours string) ([]string, error) {
	for look := 1; ; look++ {
		who, err := audit(ctx, conn, ours)
		if err != nil || len(who) == 0 || look == auditLooks {
			return who, err
		}
		if err := pg.Pause(ctx, auditPause); err != nil {
			return nil, err
		}
	}
}

const (
	auditLooks = 20
	auditPause = 250 * time.Millisecond
)

func audit(ctx context.Context, conn *pg.Conn, ours string) ([]string, error) {
	rows, err := conn.Query(ctx, `SELECT 'session ' || pid || ' of ' || coalesce(quote_ident(usename), backend_type) || ' (' || coalesce(state, 'unknown') || ')'
		FROM pg_stat_activity a
		WHERE datname = current_database() AND backend_type NOT LIKE 'autovacuum%' AND pid <> pg_backend_pid()
			AND NOT starts_with(application_name, $1) AND (a.backend_xid IS NOT NULL
				OR backend_type = 'client backend' AND NOT has_database_privilege(usesysid, datid, 'CONNECT'))
		UNION ALL
		SELECT 'prepared transaction of ' || quote_ident(owner) FROM pg_prepared_xacts WHERE database = current_database()`, ours)
	if err != nil {
		return nil, fmt.Errorf("audit the source's sessions: %w", err)
	}
	who := make([]string, len(rows))
	for i, r := range rows {
		who[i] = r[0]
	}
	return who, nil
}
