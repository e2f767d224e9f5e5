package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// initdbArgs are part of a template's identity.
var initdbArgs = []string{
	"--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
}

// fingerprint names the server files in bin: two minor versions never share a template.
func fingerprint(ctx context.Context, bin string) (string, error) {
	version, err := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", bin, err)
	}
	st, err := os.Stat(filepath.Join(bin, "postgres"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %d %v", version, bin, st.Size(), st.ModTime().Unix(), initdbArgs))
	return hex.EncodeToString(sum[:8]), nil
}

// template returns a data directory fresh from initdb, made once per server files.
func template(ctx context.Context, bin, cache string, o owner) (string, error) {
	key, err := fingerprint(ctx, bin)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, fmt.Sprintf("template-%s-%d", key, o.uid))
	err = once(ctx, dir, func(tmp string) error {
		if err := o.own(tmp); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), append([]string{"-D", tmp}, initdbArgs...)...)
		cmd.SysProcAttr = o.attr()
		cmd.Dir = "/"
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("initdb: %w\n%s", err, out)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("make template: %w", err)
	}
	return dir, nil
}

// once makes directory dir by fill, unless it is there. Of several processes one does it and the
// others wait; what a killed one left behind is thrown away.
func once(ctx context.Context, dir string, fill func(tmp string) error) error {
	l, err := lock(ctx, dir+".lock")
	if err != nil {
		return err
	}
	defer l.release()
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	tmp := dir + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return err
	}
	if err := fill(tmp); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

// copyTree copies directory from into to, modes and symbolic links included, and gives all of it
// to o. It keeps no times: nothing in a data directory depends on them.
func copyTree(to, from string, o owner) error {
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if err := copyEntry(filepath.Join(to, rel), path, d); err != nil {
			return err
		}
		return o.own(filepath.Join(to, rel))
	})
}

func copyEntry(to, from string, d os.DirEntry) error {
	st, err := d.Info()
	if err != nil {
		return err
	}
	switch {
	case d.IsDir():
		if err := os.MkdirAll(to, 0o755); err != nil {
			return err
		}
		return os.Chmod(to, st.Mode().Perm())
	case d.Type() == os.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	default:
		return copyFile(to, from, st.Mode().Perm())
	}
}

func copyFile(to, from string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	return errors.Join(err, out.Chmod(mode), out.Close()) // chmod: whatever the umask
}

func ownedBy(st os.FileInfo, o owner) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && sys.Uid == o.uid
}
