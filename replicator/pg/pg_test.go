package pg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestHasPassword(t *testing.T) {
	for dsn, want := range map[string]bool{
		"postgres://u:secret@h/db":           true,
		"postgresql://u@h/db?password=x":     true,
		"postgres://u@h/db":                  false,
		"postgres://u@h/db?sslmode=disable":  false,
		"host=h user=u password=x":           true,
		"host=h user=u password = x":         true,
		"host=h user=u passfile=/etc/pgpass": false,
		"service=emr":                        false,
		"sslpassword=x host=h":               true,
	} {
		if got := HasPassword(dsn); got != want {
			t.Errorf("%q: %v, want %v", dsn, got, want)
		}
	}
}

func TestParseDSNTellsNoSecret(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:hunter2@h:port/db", "host=h port=hunter2 password=hunter2", "postgres://u:hunter2@%zz/db",
		"sslmode=hunter2 password=hunter2", "hunter2", "postgres://u:hunter2@h/db?connect_timeout=hunter2",
	} {
		_, err := ParseDSN(dsn)
		if err == nil {
			continue
		}
		if strings.Contains(strings.ReplaceAll(err.Error(), "sslmode", ""), "password=hunter2") || strings.Contains(err.Error(), ":hunter2@") {
			t.Errorf("error repeats the DSN: %v", err)
		}
	}
}

// TestUnknownKeywords: libpq refuses them, so that a misspelled one does not go to the server as a setting.
func TestUnknownKeywords(t *testing.T) {
	t.Setenv("PGTZ", "Asia/Tokyo")
	for dsn, word := range map[string]string{
		"host=h user=u sslmod=require":                                  `"sslmod"`,
		"postgres://u@h/db?conect_timeout=5":                            `"conect_timeout"`,
		"host=h search_path=ward":                                       `"search_path"`,
		"host=h requirepeer=postgres":                                   "requirepeer",
		"postgres://u@h/db?gssencmode=require":                          "gssencmode",
		"host=h password=ab hunter=x":                                   "not repeated",
		"host=h user=u options='-c search_path=ward' keepalives_idle=5": "",
		"postgres://u@h/db?application_name=x&gssencmode=prefer":        "",
		"dbname=d client_encoding=auto connect_timeout=3":               "",
		"host=h channel_binding=require target_session_attrs=any":       "",
	} {
		cfg, err := ParseDSN(dsn)
		if word == "" {
			if err != nil {
				t.Errorf("%q: %v", dsn, err)
			} else if len(cfg.RuntimeParams) > 1 {
				t.Errorf("%q: the server is sent %v", dsn, cfg.RuntimeParams)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q: %v, want the word %s", dsn, err, word)
		}
	}
}

// TestCleanTellsNoValue: nothing of the server's text survives, however deep it is wrapped.
func TestCleanTellsNoValue(t *testing.T) {
	raw := &pgconn.PgError{
		Severity: "ERROR", Code: "23505", Message: "Mario Rossi", Detail: "Key (name)=(Mario Rossi) exists", Hint: "Mario Rossi",
		Where: "COPY t, line 1: Mario Rossi", InternalQuery: "SELECT 'Mario Rossi'", SchemaName: "emr", TableName: "patient", ConstraintName: "patient_pkey",
	}
	err := Clean(fmt.Errorf("copy: %w", fmt.Errorf("read: %w", raw)))
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "Rossi") {
		t.Errorf("a value came through: %v", err)
	}
	for _, want := range []string{"23505", "unique_violation", "emr.patient", "patient_pkey"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %q", want, err)
		}
	}
	if State(err) != "23505" || Lost(err) || Transient(err) {
		t.Errorf("classified wrongly: %v", err)
	}
}

func TestClasses(t *testing.T) {
	state := func(s string) error { return fmt.Errorf("x: %w", &Error{SQLSTATE: s}) }
	for _, c := range []struct {
		err             error
		lost, transient bool
	}{
		{state("57P01"), true, false}, {state("08006"), true, false}, {state("40P01"), false, true},
		{state("55P03"), false, true}, {state("23503"), false, false}, {state("28P01"), false, false},
		{errors.New("other"), false, false}, {nil, false, false}, {ErrClosed, true, false},
		{fmt.Errorf("read: %w", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}), true, false},
		{&lostError{cause: syscall.ECONNREFUSED}, true, false}, {context.DeadlineExceeded, true, false},
		// A disk that fails is no lost connection: it must end the job, not be tried for ever.
		{fmt.Errorf("fsync: %w", &os.PathError{Op: "sync", Path: "x", Err: syscall.EIO}), false, false},
		{syscall.ENOSPC, false, false},
	} {
		if Lost(c.err) != c.lost || Transient(c.err) != c.transient {
			t.Errorf("%v: lost %v, transient %v", c.err, Lost(c.err), Transient(c.err))
		}
	}
}

func TestQuoting(t *testing.T) {
	if got := Ident(`Ward "3"`, "bed"); got != `"Ward ""3"""."bed"` {
		t.Error(got)
	}
	if got := Literal(`it's`); got != `'it''s'` {
		t.Error(got)
	}
	if got := Literal(`a\b'`); got != ` E'a\\b'''` {
		t.Error(got)
	}
}
