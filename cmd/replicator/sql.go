package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"replicator/replicator/check"
)

func sqlCommand() command {
	return command{
		name:  "sql",
		args:  "source-setup|target-setup|roles",
		short: "the roles and grants that a superuser runs once, least privilege",
		long: `
Prints the SQL that a superuser runs once on the source or on the target, so that replicator works
there with a role of its own and without superuser. It looks at the databases that are given to name
what it needs, and changes nothing; without DSN the SQL is general.

roles prints the roles that the source's database refers to, their groups and members, as the target
needs them: attributes, memberships, settings, and passwords only with --passwords.`,
		examples: `
replicator sql source-setup --source 'service=emr_old' | psql service=emr_old_admin
replicator sql target-setup --source 'service=emr_old' --target 'service=emr_new' > setup.sql
replicator sql roles --source 'service=emr_old' --target 'service=emr_new' > roles.sql`,
		define: defineSQL,
	}
}

func defineSQL(a *app, f *pflag.FlagSet) action {
	var dsn connections
	var o check.SetupOptions
	dsn.define(a, f)
	defineSelection(f, &o.Select)
	f.StringVar(&o.Role, "role", "", "`name` of the role to set up (default replicator_source or replicator_target)")
	f.StringVar(&o.Publication, "publication", "", "`name` of the publication (default derived from the database's)")
	f.Var(newChoice(&o.NoKey, "late", "late", "full"), "no-key", "what becomes of tables without key: `late|full`, see seed")
	defineObjects(f, &o.LargeObjects)
	f.Var(newChoice(&o.DDL, "stop", "stop", "replicate"), "ddl", "with source-setup: `stop|replicate`: the event triggers of seed --ddl=replicate, too")
	f.BoolVar(&o.Passwords, "passwords", false, "with roles: passwords, too, scrambled as the source has them")
	return func(ctx context.Context, args []string) error {
		text, err := setup(ctx, args[0], &dsn, o)
		if err != nil {
			return err
		}
		if a.json {
			return a.writeJSON(map[string]any{"version": 1, "sql": text})
		}
		if _, err := io.WriteString(a.stdout, text); err != nil {
			return fmt.Errorf("write the SQL: %w", err)
		}
		return nil
	}
}

// setup is the SQL for one side.
func setup(ctx context.Context, which string, dsn *connections, o check.SetupOptions) (string, error) {
	source, target := dsn.get()
	switch which {
	case "source-setup":
		o.DSN = source
		return check.SourceSetup(ctx, o)
	case "target-setup":
		o.DSN, o.SourceDSN = target, source
		return check.TargetSetup(ctx, o)
	case "roles":
		if source == "" {
			return "", usage("--source is missing", "the roles are the source's; or set REPLICATOR_SOURCE")
		}
		o.DSN, o.SourceDSN = target, source
		return check.RolesSetup(ctx, o)
	}
	return "", usage("sql takes source-setup, target-setup or roles", "see replicator sql --help")
}
