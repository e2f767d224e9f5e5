package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"replicator/replicator/fault"
	"replicator/replicator/sign"
	"replicator/replicator/status"
)

func reportCommand() command {
	return command{
		name:  "report",
		args:  "verify FILE",
		short: "is a catch-up's report what was signed?",
		long: `
Checks a report of replicator catchup, JSON or HTML, against its signature, FILE.minisig, and says
which job it is of, how that ended, when and by whom. It needs neither job nor database.

--public-key takes the key as a file or as its base64, as it stands in the report and on catchup's
stdout. Get it by another way than the report: without the flag the key is taken from replicator.pub
beside FILE, which proves that nothing was changed, but not who signed. Debian's minisign checks the
same: minisign -V -m FILE -p replicator.pub. Exit code 7 if the signature does not fit.`,
		examples: `
replicator report verify reports/catchup-20261122T190000Z.html
replicator report verify catchup-20261122T190000Z.json --public-key emr.pub --json`,
		define: defineReport,
	}
}

func defineReport(a *app, f *pflag.FlagSet) action {
	var key string
	f.StringVar(&key, "public-key", "", "`file|base64` of the key that must have signed (default replicator.pub beside FILE)")
	return func(_ context.Context, args []string) error {
		if args[0] != "verify" {
			return usage("report takes verify", "see replicator report --help")
		}
		v, err := verifyReport(args[1], key)
		if err != nil {
			return err
		}
		return v.tell(a)
	}
}

// verified is a report whose signature fits.
type verified struct {
	file      string
	key       sign.Public
	beside    string // the file beside the report that the key is from; "": it was given
	statement sign.Statement
}

func verifyReport(file, given string) (v verified, err error) {
	if strings.HasSuffix(file, signatureEnd) {
		return v, usage(file+" is a signature", "give the report: the file without "+signatureEnd)
	}
	f, err := os.Open(file)
	if err != nil {
		return v, unread(file, err, "")
	}
	defer func() { _ = f.Close() }()
	signature, err := readSignature(file)
	if err != nil {
		return v, err
	}
	v.file = file
	if v.key, v.beside, err = chooseKey(file, given, signature.KeyID()); err != nil {
		return v, err
	}
	v.statement, err = signature.Verify(f, v.key)
	var broken *sign.ReadError
	if errors.As(err, &broken) {
		return v, unread(file, broken.Err, "")
	}
	return v, unfit(file, err)
}

func readSignature(file string) (sign.Signature, error) {
	text, err := readSmall(file + signatureEnd)
	if err != nil {
		return sign.Signature{}, unread(file+signatureEnd, err, "a report's signature is a file of its own beside it, from the same catch-up")
	}
	signature, err := sign.ParseSignature(text)
	return signature, unfit(file, err)
}

// chooseKey is the given key, or the one beside the report that the signature names. Where none beside
// it is that, the first that is there shows what does not fit.
func chooseKey(file, given, id string) (key sign.Public, beside string, err error) {
	if given != "" {
		if key, err = sign.ParsePublic([]byte(given)); err == nil {
			return key, "", nil
		}
		key, err = readPublicKey(given)
		return key, "", unread("the file of --public-key", err, "give the file or the base64 of the key, as it stands in the report")
	}
	var first error
	for _, name := range publicKeyNames(id) {
		name = filepath.Join(filepath.Dir(file), name)
		k, err := readPublicKey(name)
		if err == nil && k.ID() == id {
			return k, name, nil
		}
		if err == nil && beside == "" {
			key, beside = k, name
		}
		if err != nil && first == nil {
			first = unread(name, err, "give the key by --public-key")
		}
	}
	if beside == "" {
		return key, "", first
	}
	return key, beside, nil
}

// unread says which file is missing or cannot be read.
func unread(name string, err error, hint string) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%s is not there", name)
	case errors.As(err, &path):
		err = fmt.Errorf("%s cannot be read: %w", name, path.Err)
	}
	return fault.New(fault.Usage, err, hint)
}

// unfit says that a signature does not fit.
func unfit(file string, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Mismatch, fmt.Errorf("%s %w", file, err), "do not rely on this file; get it, and its signature, again from where catchup wrote them")
}

const besideNote = "the key is the one beside the report: this proves integrity, not origin; for both give --public-key"

// tell says what was signed, by whom and when.
func (v verified) tell(a *app) error {
	s := v.statement
	if a.json {
		return a.writeJSON(struct {
			Version      int    `json:"version"`
			File         string `json:"file"`
			KeyID        string `json:"key_id"`
			PublicKey    string `json:"public_key"`
			OriginProved bool   `json:"origin_proved"` // the key was given, not found beside the report
			sign.Statement
		}{1, v.file, v.key.ID(), v.key.String(), v.beside == "", s})
	}
	fence := ""
	if !s.Fence.IsZero() {
		fence = ", fence " + s.Fence.String()
	}
	line := fmt.Sprintf("%s: job %s, %s, %s%s, by %s, as signed with key %s", v.file, s.Job, s.Outcome, status.Time(s.Time), fence, s.Operator, v.key.ID())
	if v.beside != "" {
		a.logger().Warn(besideNote, "key", v.beside)
	}
	_, err := fmt.Fprintln(a.stdout, status.Printable(line))
	return err
}
