package pg

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
)

// What pgconn does not know of a DSN it sends to the server as a setting. libpq refuses such a word, and so
// must we: `conect_timeout=5` or `sslmod=require` are mistakes that nobody would see otherwise.

// sent are the keywords of libpq that do become settings of a session. PGTZ is a setting in all but name.
var sent = []string{"application_name", "client_encoding", "options", "timezone"}

// idle are those that we need not heed: what they ask for every session has, or it changes nothing
// that could be wrong.
var idle = []string{
	"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
	"fallback_application_name", "sslcompression", "gsslib", "gssdelegation",
}

// unheeded are those that ask for something that we do not do, so that to pass over them would be wrong:
// mostly who may be at the other end.
var unheeded = []string{
	"hostaddr", "load_balance_hosts", "replication", "gssencmode", "requirepeer", "requiressl", "sslcrl", "sslcrldir",
	"ssl_min_protocol_version", "ssl_max_protocol_version", "sslkeylogfile", "scram_client_key", "scram_server_key",
	"oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope",
}

// heed looks at what pgconn took for settings of the session, and drops those of libpq's keywords that
// change nothing. secret says that the DSN holds a password, of which an unknown word may be a piece.
func heed(cfg *pgconn.Config, secret bool) error {
	for word, value := range cfg.RuntimeParams {
		switch {
		case slices.Contains(sent, word):
		case slices.Contains(idle, word), word == "gssencmode" && value != "require":
			delete(cfg.RuntimeParams, word)
		case slices.Contains(unheeded, word):
			return fmt.Errorf("parse DSN: %s is a keyword of libpq that replicator does not support", word)
		case secret:
			return fmt.Errorf("parse DSN: a keyword that libpq does not know, which is not repeated as the DSN holds a password; blanks in values need quotes, and %s", settingsGo)
		default:
			return fmt.Errorf("parse DSN: libpq knows no keyword %q; %s", word, settingsGo)
		}
	}
	// Every session's time zone is pinned, under the server's spelling of the name.
	delete(cfg.RuntimeParams, "timezone")
	return nil
}

const settingsGo = "settings of the server go into options, as in options='-c work_mem=64MB'"
