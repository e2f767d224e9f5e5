package main

import (
	"net/url"
	"regexp"
	"strings"

	"replicator/replicator/pg"
)

// refusePasswords looks at every argument, whatever flag it belongs to: all users of the machine can
// read them in the process list.
func refusePasswords(args []string) error {
	for _, arg := range args {
		text := []string{arg}
		if _, value, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(arg, "-") {
			text = append(text, value)
		}
		for _, t := range text {
			if pg.HasPassword(t) || brokenURI.MatchString(t) && !parses(t) {
				return usage("an argument holds a password, which every user of this machine can read",
					"give the connection by REPLICATOR_SOURCE and REPLICATOR_TARGET, or the password by ~/.pgpass or a service file")
			}
		}
	}
	return nil
}

// brokenURI finds a password in a URI that is no valid one, as a password with a slash or a percent
// sign makes it.
var brokenURI = regexp.MustCompile(`^postgres(ql)?://[^/@]*:.*@`)

func parses(uri string) bool {
	_, err := url.Parse(uri)
	return err == nil
}
