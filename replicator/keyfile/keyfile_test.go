package keyfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExposed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[fs.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o601: true, 0o620: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		// As root a group's right counts: nobody but root may read what root owns.
		if os.Geteuid() == 0 && Exposed(info) != want {
			t.Errorf("mode %o: exposed %v", mode, !want)
		}
	}
}

func TestReasonHasNoPath(t *testing.T) {
	_, err := os.Open("/nowhere/key")
	if got := Reason(err); strings.Contains(got.Error(), "nowhere") || !errors.Is(got, fs.ErrNotExist) {
		t.Errorf("reason %v", got)
	}
}
