package schema

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
)

// notPrinted are entries that only steer pg_restore.
var notPrinted = map[string]bool{"ENCODING": true, "STDSTRINGS": true, "SEARCHPATH": true}

var listLine = regexp.MustCompile(`^(\d+); (\d+ \d+ (.*))$`)

// list is the archive's listing by dump ID, as "class oid type schema name owner".
func list(ctx context.Context, pgRestore, archive string) (map[int]string, error) {
	cmd := exec.CommandContext(ctx, pgRestore, "--list", archive)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("pg_restore --list: %w", err)
	}
	listed, err := readList(out)
	if err != nil {
		_ = cmd.Process.Kill() // it would block on the pipe
	}
	if wait := cmd.Wait(); err == nil && wait != nil {
		err = wait
	}
	if err != nil {
		return nil, errors.Join(ctx.Err(), fmt.Errorf("pg_restore --list: %w", err))
	}
	return listed, nil
}

func readList(r io.Reader) (map[int]string, error) {
	listed := map[int]string{}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return listed, nil // what comes after the last line's end is nothing
		}
		if err != nil {
			return nil, err
		}
		m := listLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			continue
		}
		if kind, _, _ := strings.Cut(m[3], " "); notPrinted[kind] {
			continue
		}
		listed[number(m[1])] = m[2]
	}
}
