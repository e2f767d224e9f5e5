package cluster

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// owner is the OS user that runs the server and owns its files.
type owner struct {
	uid, gid uint32
	other    bool // it is not the user of this process
}

// serverOwner is postgres for root, whom PostgreSQL refuses, and otherwise ourselves.
func serverOwner() (owner, error) {
	if os.Geteuid() != 0 {
		return owner{uid: uint32(os.Geteuid()), gid: uint32(os.Getegid())}, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return owner{}, fmt.Errorf("root cannot run PostgreSQL itself: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return owner{}, fmt.Errorf("uid of postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return owner{}, fmt.Errorf("gid of postgres: %w", err)
	}
	return owner{uid: uint32(uid), gid: uint32(gid), other: true}, nil
}

// attr makes a child of ours run as o, out of reach of the terminal's Ctrl-C.
func (o owner) attr() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setsid: true}
	if o.other {
		a.Credential = &syscall.Credential{Uid: o.uid, Gid: o.gid}
	}
	return a
}

// own hands path to o.
func (o owner) own(path string) error {
	if !o.other {
		return nil
	}
	return os.Lchown(path, int(o.uid), int(o.gid))
}

// reaches reports whether o may enter dir: every directory on the way must let it pass, which a
// checkout below root's home does not. Directories that do not exist yet are taken as passable.
func (o owner) reaches(dir string) bool {
	for {
		if st, err := os.Stat(dir); err == nil && !o.enters(st) {
			return false
		}
		up := filepath.Dir(dir)
		if up == dir {
			return true
		}
		dir = up
	}
}

func (o owner) enters(st os.FileInfo) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	switch perm := st.Mode().Perm(); {
	case sys.Uid == o.uid:
		return perm&0o100 != 0
	case sys.Gid == o.gid:
		return perm&0o010 != 0
	default:
		return perm&0o001 != 0
	}
}
