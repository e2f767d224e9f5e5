package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"replicator/replicator/link/pki"
)

func keysCommand() command {
	return command{
		name:  "keys",
		args:  "init|issue",
		short: "certificates for the two ends, where you have no PKI",
		long: `
Makes a private CA, and with it the certificates by which the two ends of the link know each other.

  init    ca.crt and ca.key, in --dir
  issue   source.crt and source.key, or target.crt and target.key, and ca.crt beside them, in --out

Take ca.crt and its own pair to each end, and leave ca.key where it was made: who has it can make
certificates of both roles. No file is ever overwritten. A PKI that you have works as well: the role
is the URI SAN urn:replicator:role:source or urn:replicator:role:target, or where it makes none the DNS
SAN source.replicator.internal or target.replicator.internal; URI SANs urn:replicator:job:NAME limit a
certificate to jobs.`,
		examples: `
replicator keys init --dir ca
replicator keys issue --dir ca --role target --host new.example,10.20.0.5 --out target-end
replicator keys issue --dir ca --role source --job emr --days 30 --out source-end`,
		define: defineKeys,
	}
}

// keyFlags are those of both init and issue.
type keyFlags struct {
	dir, name, out string
	role           string
	request        pki.Request
}

func defineKeys(a *app, f *pflag.FlagSet) action {
	var k keyFlags
	f.StringVar(&k.dir, "dir", "", "`directory` of the CA")
	f.IntVar(&k.request.Days, "days", 0, fmt.Sprintf("how many `days` it holds (default %d for a CA, %d for a certificate)", pki.CADays, pki.CertificateDays))
	f.StringVar(&k.name, "name", "", "init: `name` of the CA, for people")
	f.Var(newChoice(&k.role, "", string(pki.Source), string(pki.Target)), "role", "issue: the end that it is for, `source|target`")
	f.StringSliceVar(&k.request.Hosts, "host", nil, "issue: `names` and addresses; the source end dials one of the target's")
	f.StringSliceVar(&k.request.Jobs, "job", nil, "issue: `jobs` that it is for (default every job)")
	f.StringVar(&k.out, "out", "", "issue: `directory` for the files (default that of the CA)")
	return func(_ context.Context, args []string) error {
		if k.dir == "" {
			return usage("--dir is missing", "see replicator keys --help")
		}
		if f.Changed("days") && k.request.Days < 1 {
			return usage("--days takes a number from 1", "see replicator keys --help")
		}
		switch args[0] {
		case "init":
			return k.init(a, f)
		case "issue":
			return k.issue(a, f)
		}
		return usage("keys takes init or issue", "see replicator keys --help")
	}
}

// refuseFlags refuses flags of the other of the two.
func refuseFlags(f *pflag.FlagSet, what string, names ...string) (err error) {
	f.Visit(func(flag *pflag.Flag) {
		if slices.Contains(names, flag.Name) {
			err = usage("keys "+what+" does not take --"+flag.Name, "see replicator keys --help")
		}
	})
	return err
}

func (k *keyFlags) init(a *app, f *pflag.FlagSet) error {
	if err := refuseFlags(f, "init", "role", "host", "job", "out"); err != nil {
		return err
	}
	ca, err := pki.Create(k.dir, k.name, k.request.Days)
	if err != nil {
		return err
	}
	if a.json {
		return a.writeJSON(struct {
			Version  int       `json:"version"`
			CA       string    `json:"ca"`
			Key      string    `json:"key"`
			Name     string    `json:"name"`
			NotAfter time.Time `json:"not_after"`
		}{1, ca.Cert, ca.Key, ca.Name, ca.NotAfter})
	}
	return a.files([][2]string{
		{ca.Cert, fmt.Sprintf("the CA %q, until %s; both ends need it", ca.Name, day(ca.NotAfter))},
		{ca.Key, "its key: keep it here, who has it can make certificates of both roles"},
	})
}

func (k *keyFlags) issue(a *app, f *pflag.FlagSet) error {
	if err := refuseFlags(f, "issue", "name"); err != nil {
		return err
	}
	if k.role == "" {
		return usage("--role is missing", "source or target: the end that the certificate is for")
	}
	if k.out == "" {
		k.out = k.dir
	}
	k.request.Role = pki.Role(k.role)
	ca, err := pki.OpenAuthority(k.dir)
	if err != nil {
		return err
	}
	issued, err := ca.Issue(k.request, k.out)
	if err != nil {
		return err
	}
	return k.tell(a, issued)
}

// tell says what was issued.
func (k *keyFlags) tell(a *app, issued *pki.Issued) error {
	if a.json {
		return a.writeJSON(struct {
			Version  int       `json:"version"`
			Role     pki.Role  `json:"role"`
			Cert     string    `json:"cert"`
			Key      string    `json:"key"`
			CA       string    `json:"ca"`
			Hosts    []string  `json:"hosts"`
			Jobs     []string  `json:"jobs"`
			NotAfter time.Time `json:"not_after"`
		}{1, k.request.Role, issued.Cert, issued.Key, issued.CA, list(k.request.Hosts), list(k.request.Jobs), issued.NotAfter})
	}
	jobs := "every job"
	if len(k.request.Jobs) > 0 {
		jobs = strings.Join(k.request.Jobs, ", ")
	}
	return a.files([][2]string{
		{issued.Cert, fmt.Sprintf("certificate of the %s end, for %s, until %s", k.role, jobs, day(issued.NotAfter))},
		{issued.Key, "its key"},
		{issued.CA, "the CA, which both ends need"},
	})
}

// list is never null in JSON.
func list(s []string) []string { return append([]string{}, s...) }

// files lists files and what they are.
func (a *app) files(list [][2]string) error {
	width := 0
	for _, file := range list {
		width = max(width, len(file[0]))
	}
	for _, file := range list {
		if _, err := fmt.Fprintf(a.stdout, "%-*s  %s\n", width, file[0], file[1]); err != nil {
			return fmt.Errorf("write the list of files: %w", err)
		}
	}
	return nil
}

func day(t time.Time) string { return t.Local().Format("2006-01-02") }
