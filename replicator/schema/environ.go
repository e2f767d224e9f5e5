package schema

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"replicator/replicator/fault"
	"replicator/replicator/pg"
)

// variables are libpq's environment variables by the keyword that they stand for. A child process
// gets the connection through them: its arguments are seen by every user of the machine.
var variables = map[string]string{
	"host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER",
	"password": "PGPASSWORD", "passfile": "PGPASSFILE", "service": "PGSERVICE", "servicefile": "PGSERVICEFILE",
	"options": "PGOPTIONS", "channel_binding": "PGCHANNELBINDING", "require_auth": "PGREQUIREAUTH",
	"sslmode": "PGSSLMODE", "sslnegotiation": "PGSSLNEGOTIATION", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
	"sslcertmode": "PGSSLCERTMODE", "sslrootcert": "PGSSLROOTCERT", "sslcrl": "PGSSLCRL", "sslcrldir": "PGSSLCRLDIR",
	"sslsni": "PGSSLSNI", "sslcompression": "PGSSLCOMPRESSION", "requiressl": "PGREQUIRESSL", "requirepeer": "PGREQUIREPEER",
	"ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION", "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
	"min_protocol_version": "PGMINPROTOCOLVERSION", "max_protocol_version": "PGMAXPROTOCOLVERSION",
	"gssencmode": "PGGSSENCMODE", "gssdelegation": "PGGSSDELEGATION", "krbsrvname": "PGKRBSRVNAME", "gsslib": "PGGSSLIB",
	"connect_timeout": "PGCONNECT_TIMEOUT", "target_session_attrs": "PGTARGETSESSIONATTRS",
	"load_balance_hosts": "PGLOADBALANCEHOSTS", "application_name": "PGAPPNAME", "client_encoding": "PGCLIENTENCODING",
}

// harmless are the keywords without a variable: they may be seen.
var harmless = map[string]bool{
	"keepalives": true, "keepalives_idle": true, "keepalives_interval": true, "keepalives_count": true, "tcp_user_timeout": true,
}

// environ is the connection of dsn for a libpq program: variables over base, and a connection
// string for its arguments with the few harmless keywords that have none. settings are pinned for
// its sessions, over what the role or the database has set.
func environ(dsn string, base []string, settings map[string]string) (env []string, arg string, err error) {
	if _, err := pg.ParseDSN(dsn); err != nil {
		return nil, "", fault.New(fault.Usage, err, "")
	}
	kv, err := keywords(dsn)
	if err != nil {
		return nil, "", fault.New(fault.Usage, err, "")
	}
	if kv["sslpassword"] != "" {
		return nil, "", fault.New(fault.Usage, errors.New("sslpassword cannot be passed on to pg_dump"),
			"use a client key without a passphrase, readable by its owner only")
	}
	delete(kv, "sslpassword")
	maps.DeleteFunc(kv, func(k, _ string) bool { return variables[k] == "" && !harmless[k] }) // ParseDSN has let them pass
	kv["options"] = strings.TrimSpace(kv["options"] + " " + options(settings))
	kv["client_encoding"] = "UTF8"
	kv["application_name"] = "replicator schema"
	env = append(slices.Clone(base), "LC_ALL=C") // messages whose shape we know
	var rest []string
	for _, k := range sorted(kv) {
		if name, ok := variables[k]; ok {
			env = append(env, name+"="+kv[k])
			continue
		}
		rest = append(rest, k+"="+quoteKeyword(kv[k]))
	}
	return env, strings.Join(rest, " "), nil
}

// options spells settings as libpq's options, where a blank or backslash is escaped.
func options(settings map[string]string) string {
	escape := strings.NewReplacer(`\`, `\\`, ` `, `\ `)
	var list []string
	for _, k := range sorted(settings) {
		list = append(list, "-c "+k+"="+escape.Replace(settings[k]))
	}
	return strings.Join(list, " ")
}

// keywords takes a DSN apart; what was not said is left to libpq, as it was to us.
func keywords(dsn string) (map[string]string, error) {
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		return uriKeywords(dsn)
	}
	return plainKeywords(dsn)
}

var errDSN = errors.New("parse DSN: it is neither a URI nor keywords that libpq would take")

func uriKeywords(dsn string) (map[string]string, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errDSN // the cause repeats the DSN
	}
	kv := map[string]string{}
	if u.User != nil {
		kv["user"] = u.User.Username()
		kv["password"], _ = u.User.Password()
	}
	hosts, ports := splitHosts(u.Host)
	kv["host"], kv["port"], kv["dbname"] = hosts, ports, strings.TrimPrefix(u.Path, "/")
	for k, v := range u.Query() {
		kv[k] = v[len(v)-1]
	}
	if kv["dbname"] == "" {
		kv["dbname"] = kv["database"] // pgx takes this one too
	}
	delete(kv, "database")
	for k, v := range kv {
		if v == "" {
			delete(kv, k)
		}
	}
	return kv, nil
}

// splitHosts cuts host:port,host:port into the two lists that libpq wants.
func splitHosts(list string) (hosts, ports string) {
	var h, p []string
	for one := range strings.SplitSeq(list, ",") {
		host, port := one, ""
		if i := strings.LastIndexByte(one, ':'); i > strings.LastIndexByte(one, ']') {
			host, port = one[:i], one[i+1:]
		}
		h, p = append(h, strings.Trim(host, "[]")), append(p, port)
	}
	hosts, ports = strings.Join(h, ","), strings.Join(p, ",")
	if strings.Trim(ports, ",") == "" {
		ports = ""
	}
	return hosts, ports
}
