package pg

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// keywordPassword finds a password in libpq's keyword form.
var keywordPassword = regexp.MustCompile(`(^|\s)(password|sslpassword)\s*=`)

// HasPassword reports whether dsn holds a password in clear, which an argument must not: every
// user of the machine can read it in the process list.
func HasPassword(dsn string) bool {
	if u, err := url.Parse(dsn); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		_, set := u.User.Password()
		return set || u.Query().Has("password") || u.Query().Has("sslpassword")
	}
	return keywordPassword.MatchString(dsn)
}

// ParseDSN checks dsn (libpq URI or keywords; service files, pgpass and PGSSL* as libpq has
// them), and that libpq knows its keywords. Its error names an unknown one, and repeats nothing else of the DSN.
func ParseDSN(dsn string) (*pgconn.Config, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("parse DSN: %w", withoutDSN(err))
	}
	if err := heed(cfg, HasPassword(dsn)); err != nil {
		return nil, err
	}
	if cfg.Database == "" {
		cfg.Database = cfg.User
	}
	return cfg, nil
}

// withoutDSN keeps the reason of a ParseConfigError and drops the connection string in it.
func withoutDSN(err error) error {
	var pe *pgconn.ParseConfigError
	if !errors.As(err, &pe) {
		return errors.New("it is neither a URI nor keywords that libpq would take")
	}
	if inner := errors.Unwrap(pe); inner != nil && !errors.As(inner, new(*url.Error)) {
		return inner
	}
	return errors.New("it is neither a URI nor keywords that libpq would take")
}

// DatabaseOf is the database that dsn names, "" where it names none and leaves it to the user's name.
func DatabaseOf(dsn string) (string, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return "", fmt.Errorf("parse DSN: %w", withoutDSN(err))
	}
	return cfg.Database, nil
}

// WithDatabase is dsn, which names no database, with one.
func WithDatabase(dsn, database string) string {
	if u, err := url.Parse(dsn); err == nil && strings.HasPrefix(u.Scheme, "postgres") {
		u.Path = "/" + database
		return u.String()
	}
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database)
	return dsn + " dbname='" + quoted + "'"
}
