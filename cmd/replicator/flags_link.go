package main

import (
	"github.com/spf13/pflag"

	"replicator/replicator"
)

// certificates are the files that both ends of the link need.
type certificates struct {
	a             *app
	cert, key, ca string
}

func (c *certificates) define(a *app, f *pflag.FlagSet) {
	c.a = a
	f.StringVar(&c.cert, "cert", "", "`file` of this end's certificate (else $REPLICATOR_CERT)")
	f.StringVar(&c.key, "key", "", "`file` of its key (else $REPLICATOR_KEY)")
	f.StringVar(&c.ca, "ca", "", "`file` of the CA that signed the other end's (else $REPLICATOR_CA)")
}

func (c *certificates) get() (cert, key, ca string) {
	return c.a.or(c.cert, "REPLICATOR_CERT"), c.a.or(c.key, "REPLICATOR_KEY"), c.a.or(c.ca, "REPLICATOR_CA")
}

// or is a flag's value, or the environment's.
func (a *app) or(flag, name string) string {
	if flag == "" {
		return a.getenv(name)
	}
	return flag
}

// linkFlags say where a target end at another site is.
type linkFlags struct {
	files          certificates
	host, database string
}

func (l *linkFlags) define(a *app, f *pflag.FlagSet) {
	f.StringVar(&l.host, "target-host", "", "`host:port` of replicator serve at the target's site, instead of --target (else $REPLICATOR_TARGET_HOST)")
	f.StringVar(&l.database, "target-database", "", "`name` of the target database there (default the service's, or the source's name)")
	l.files.define(a, f)
}

// get is what the flags and the environment say. A target that is named by a flag counts before a
// host that the environment names.
func (l *linkFlags) get(target string) replicator.Link {
	out := replicator.Link{Host: l.host, Database: l.database}
	if out.Host == "" && target == "" {
		out.Host = l.files.a.getenv("REPLICATOR_TARGET_HOST")
	}
	out.Cert, out.Key, out.CA = l.files.get()
	return out
}
