// Package keyfile is what files with keys have in common, whatever the key is for: nobody but their
// owner may read them, and errors do not repeat their path.
package keyfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Exposed reports whether others than the owner have any right to the file. Where root owns it and we
// are not root its group may read it, as PostgreSQL allows for ssl_key_file: so do credentials of
// systemd look, which an ACL opens to the service's user.
func Exposed(info fs.FileInfo) bool {
	forbidden := fs.FileMode(0o077)
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid == 0 && os.Geteuid() != 0 {
		forbidden = 0o037
	}
	return info.Mode().Perm()&forbidden != 0
}

// Reason is err without the path, which the message has.
func Reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
