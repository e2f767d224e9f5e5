package pg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Error is what may be shown of a server's error: names and codes, no text of the server's,
// which carries row values (invariant I12).
type Error struct {
	SQLSTATE   string
	Severity   string // ERROR, FATAL or PANIC
	Schema     string
	Table      string
	Column     string
	Constraint string
	Routine    string // the C function that raised it; tells apart errors of one SQLSTATE
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "SQLSTATE %s (%s)", e.SQLSTATE, Condition(e.SQLSTATE))
	if e.Table != "" {
		fmt.Fprintf(&b, " table %s.%s", e.Schema, e.Table)
	}
	if e.Column != "" {
		fmt.Fprintf(&b, " column %s", e.Column)
	}
	if e.Constraint != "" {
		fmt.Fprintf(&b, " constraint %s", e.Constraint)
	}
	return b.String()
}

// Clean replaces a server's error anywhere in err's chain by an [Error]. Every other error that
// pgconn makes speaks of hosts and protocol only and passes unchanged, but for a failed
// connection, which is told without its user and database.
func Clean(err error) error {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return &Error{
			SQLSTATE:   pgErr.Code,
			Severity:   pgErr.Severity,
			Schema:     pgErr.SchemaName,
			Table:      pgErr.TableName,
			Column:     pgErr.ColumnName,
			Constraint: pgErr.ConstraintName,
			Routine:    pgErr.Routine,
		}
	}
	return err
}

// State is the SQLSTATE in err's chain, or "" where the server sent none.
func State(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.SQLSTATE
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// Lost reports whether err means that the connection, or the server behind it, went away and a
// new connection may succeed: network errors, shutdown and start-up of the server, too many
// connections.
func Lost(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	switch state := State(err); {
	case strings.HasPrefix(state, "08"), // connection exceptions
		state == "57P01", state == "57P02", state == "57P03", // shutdown, crash, starting up
		state == "53300": // too many connections
		return true
	case state != "":
		return false
	}
	var netErr net.Error
	if errors.As(err, &netErr) {
		// A bare errno has a net.Error's methods too, but comes from a disk: sockets wrap theirs.
		if _, disk := netErr.(syscall.Errno); !disk {
			return true
		}
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, new(*pgconn.ConnectError)) || errors.Is(err, ErrClosed)
}

// ErrClosed says that a connection was used after it broke.
var ErrClosed = errors.New("connection is closed")

// Transient reports whether the server rolled back for a reason that goes away by itself
// (deadlock, lock timeout, serialization), so that the same work may be tried again.
func Transient(err error) bool {
	switch State(err) {
	case "40P01", "55P03", "40001":
		return true
	}
	return false
}

// Condition names an SQLSTATE the way PostgreSQL's Appendix A does. Unknown states give their
// class, or "unknown condition".
func Condition(state string) string {
	if c, ok := conditions[state]; ok {
		return c
	}
	if len(state) == 5 {
		if c, ok := classes[state[:2]]; ok {
			return c
		}
	}
	return "unknown condition"
}

var classes = map[string]string{
	"08": "connection exception", "0A": "feature not supported", "22": "data exception",
	"23": "integrity constraint violation", "25": "invalid transaction state",
	"28": "invalid authorization specification", "40": "transaction rollback",
	"42": "syntax error or access rule violation", "53": "insufficient resources",
	"54": "program limit exceeded", "55": "object not in prerequisite state",
	"57": "operator intervention", "58": "system error", "XX": "internal error",
}

var conditions = map[string]string{
	"0A000": "feature_not_supported",
	"22001": "string_data_right_truncation", "22003": "numeric_value_out_of_range", "22021": "character_not_in_repertoire",
	"22P02": "invalid_text_representation", "22P03": "invalid_binary_representation", "22P04": "bad_copy_file_format",
	"22P05": "untranslatable_character",
	"23502": "not_null_violation", "23503": "foreign_key_violation", "23505": "unique_violation",
	"23514": "check_violation", "23P01": "exclusion_violation",
	"25006": "read_only_sql_transaction", "25P02": "in_failed_sql_transaction",
	"28000": "invalid_authorization_specification", "28P01": "invalid_password",
	"3D000": "invalid_catalog_name", "3F000": "invalid_schema_name",
	"40001": "serialization_failure", "40P01": "deadlock_detected",
	"42501": "insufficient_privilege", "42601": "syntax_error", "42703": "undefined_column",
	"42704": "undefined_object", "42710": "duplicate_object", "42804": "datatype_mismatch",
	"42883": "undefined_function", "42P01": "undefined_table", "42P06": "duplicate_schema", "42P07": "duplicate_table",
	"53100": "disk_full", "53200": "out_of_memory", "53300": "too_many_connections", "53400": "configuration_limit_exceeded",
	"55000": "object_not_in_prerequisite_state", "55006": "object_in_use", "55P03": "lock_not_available",
	"57014": "query_canceled", "57P01": "admin_shutdown", "57P02": "crash_shutdown", "57P03": "cannot_connect_now",
	"57P04": "database_dropped", "58030": "io_error", "58P01": "undefined_file", "58P02": "duplicate_file",
	"XX000": "internal_error", "XX001": "data_corrupted", "XX002": "index_corrupted",
}

// cleanConnect tells why a connection could not be made: the server's condition where it
// answered, the network's reason where it did not; no user, database or password.
func cleanConnect(err error) error {
	if State(err) != "" {
		return Clean(err)
	}
	var ce *pgconn.ConnectError
	if errors.As(err, &ce) {
		return &lostError{cause: ce.Unwrap()}
	}
	return err
}

// lostError is a failed connection: [Lost] by nature.
type lostError struct{ cause error }

func (e *lostError) Error() string {
	var op *net.OpError
	if errors.As(e.cause, &op) {
		return op.Error()
	}
	return e.cause.Error()
}

func (e *lostError) Unwrap() error   { return e.cause }
func (e *lostError) Timeout() bool   { return false }
func (e *lostError) Temporary() bool { return true }
