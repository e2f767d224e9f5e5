package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// debian is where Debian and Ubuntu put server files, one directory a version.
const debian = "/usr/lib/postgresql"

// Available lists the versions from oldest to newest that Start can run with this servers
// directory ("": .cache/servers in the checkout).
func Available(servers string) []int {
	var versions []int
	for v := 10; v < 100; v++ {
		if _, err := Locate(v, servers); err == nil {
			versions = append(versions, v)
		}
	}
	return versions
}

// Locate finds the bin directory of a version; 0 is the newest that Debian installed.
func Locate(version int, servers string) (string, error) {
	if version == 0 {
		return newestDebian()
	}
	servers = serversDir(servers)
	for _, dir := range []string{debian, servers} {
		bin := filepath.Join(dir, strconv.Itoa(version), "bin")
		if isFile(filepath.Join(bin, "postgres")) && isFile(filepath.Join(bin, "initdb")) {
			return bin, nil
		}
	}
	return "", fmt.Errorf("PostgreSQL %d is neither in %s nor in %s: run testdata/servers/install %s %d",
		version, debian, servers, servers, version)
}

func newestDebian() (string, error) {
	for v := 99; v >= 10; v-- {
		bin := filepath.Join(debian, strconv.Itoa(v), "bin")
		if isFile(filepath.Join(bin, "initdb")) {
			return bin, nil
		}
	}
	return "", fmt.Errorf("no PostgreSQL in %s: run make servers", debian)
}

// serversDir is given, or .cache/servers beside the go.mod above the working directory.
func serversDir(given string) string {
	if given != "" {
		return given
	}
	const inCheckout = ".cache/servers"
	dir, err := os.Getwd()
	if err != nil {
		return inCheckout
	}
	for {
		if isFile(filepath.Join(dir, "go.mod")) {
			return filepath.Join(dir, inCheckout)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return inCheckout
		}
		dir = up
	}
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}

// cacheDir is a directory of ours that the server's user reaches: the given one, or one below the
// user's cache directory, or, where that is closed to the server or missing, below /var/tmp.
func cacheDir(given string, o owner) (string, error) {
	if given != "" {
		return given, makeCache(given, o)
	}
	if base, err := os.UserCacheDir(); err == nil {
		dir := filepath.Join(base, "replicator-test")
		if o.reaches(dir) && makeCache(dir, o) == nil {
			return dir, nil
		}
	}
	dir := fmt.Sprintf("/var/tmp/replicator-test-%d", os.Geteuid())
	return dir, makeCache(dir, o)
}

func makeCache(dir string, o owner) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("cache: %w", err)
	}
	me := owner{uid: uint32(os.Geteuid())}
	if !st.IsDir() || !ownedBy(st, me) {
		return fmt.Errorf("cache %s must be a directory of ours", dir) // others might plant servers in theirs
	}
	if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask
		return fmt.Errorf("cache: %w", err)
	}
	if !o.reaches(dir) {
		return fmt.Errorf("cache %s must be one that the server's user can enter", dir)
	}
	return nil
}

// readable returns bin, or the bin directory of a copy in cache when the server's user cannot
// reach bin. Program, libraries and share find each other by relative paths, so all are copied.
func readable(ctx context.Context, bin, cache string, o owner) (string, error) {
	bin, err := filepath.EvalSymlinks(bin)
	if err != nil {
		return "", err
	}
	if o.reaches(bin) {
		return bin, nil
	}
	from := filepath.Dir(bin)
	key, err := fingerprint(ctx, bin)
	if err != nil {
		return "", err
	}
	to := filepath.Join(cache, "server-"+key)
	err = once(ctx, to, func(tmp string) error { return copyTree(tmp, from, owner{}) })
	if err != nil {
		return "", fmt.Errorf("copy server files: %w", err)
	}
	return filepath.Join(to, "bin"), nil
}
