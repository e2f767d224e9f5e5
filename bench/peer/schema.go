package peer

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Schema is a dumped one, which is restored in parts.
type Schema struct {
	m       *Move
	archive string
}

// Before restores what must stand before the rows.
func (s Schema) Before(ctx context.Context) error {
	return s.m.Pipeline(ctx, s.m.Restore("--section=pre-data", s.archive))
}

// After restores, in two sessions, what comes after the rows, or of it what is chosen by the entries
// of pg_restore -l. name tells selections apart.
func (s Schema) After(ctx context.Context, name string, chosen func(entry string) bool) error {
	list, err := exec.CommandContext(ctx, s.m.Source.Client("pg_restore"), "-l", "--section=post-data", s.archive).Output()
	if err != nil {
		return fmt.Errorf("list what comes after the rows: %w", err)
	}
	var some bytes.Buffer
	for entry := range strings.Lines(string(list)) {
		if !strings.HasPrefix(entry, ";") && chosen(entry) {
			some.WriteString(entry)
		}
	}
	path := filepath.Join(s.m.Scratch, name+".list")
	if err := os.WriteFile(path, some.Bytes(), 0o644); err != nil {
		return err
	}
	return s.m.Pipeline(ctx, s.m.Restore("-j2", "--section=post-data", "-L", path, s.archive))
}

// IsCheck tells a CHECK constraint that is restored by itself: one that is NOT VALID, which the
// rows, as they come, need not satisfy.
func IsCheck(entry string) bool { return strings.Contains(entry, " CHECK CONSTRAINT ") }

// IsForeign tells a foreign key.
func IsForeign(entry string) bool { return strings.Contains(entry, " FK CONSTRAINT ") }
