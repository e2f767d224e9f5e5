package main

import (
	"context"

	"github.com/spf13/pflag"

	"replicator/replicator"
)

func serveCommand() command {
	return command{
		name:  "serve",
		short: "the target end as a service, where the sites are far apart",
		long: `
Runs at the target's site, beside the target database, and does there what the engine at the source's
site asks: writes rows, applies changes, makes the schema, compares. The engine dials in; one port
is enough. TLS 1.3 with certificates on both sides: see replicator keys, or use your own.

A --target without a database serves every database of that server, each job the one that has the
source's name or that --target-database names. It runs until it is told to stop (exit code 130);
engines wait for it and go on when it is back.`,
		examples: `
replicator serve --target 'host=/run/postgresql user=replicator_target' --listen 0.0.0.0:7432 \
          --cert target.crt --key target.key --ca ca.crt --dir /var/lib/replicator`,
		define: defineServe,
	}
}

func defineServe(a *app, f *pflag.FlagSet) action {
	var o replicator.ServeOptions
	var files certificates
	f.StringVar(&o.Target, "target", "", "`DSN` of the target: URI or keywords of libpq, without password (else $REPLICATOR_TARGET)")
	f.StringVar(&o.Listen, "listen", "0.0.0.0:7432", "`address:port` to take connections on")
	files.define(a, f)
	defineDir(a, f, &o.Dir)
	return func(ctx context.Context, _ []string) error {
		if o.Target == "" {
			o.Target = a.getenv("REPLICATOR_TARGET")
		}
		o.Cert, o.Key, o.CA = files.get()
		o.Logger = a.logger()
		return replicator.Serve(ctx, o)
	}
}
