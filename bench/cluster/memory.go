package cluster

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// A server is a thousand files and each of its databases three hundred more. ext4 looks at every file
// deleted lately before it makes a new one, so that on disk servers that come and go spend most of their
// time in the kernel.

// memoryDir is a file system in memory, the one in which PostgreSQL has its own segments.
const memoryDir = "/dev/shm"

// memoryRoom is what must be free before a server goes there: several servers with some gigabytes of
// WAL each may be there at once, and PostgreSQL's segments need room as well.
const memoryRoom = 8 << 30

// parent is where a fresh directory is made; "" is the temporary directory.
func (cfg Config) parent() string {
	if cfg.InMemory && !cfg.Durable && roomInMemory(memoryRoom) {
		return memoryDir
	}
	return ""
}

// roomInMemory reports whether so many bytes are free, both in the file system and of the machine's memory.
func roomInMemory(bytes uint64) bool {
	var st syscall.Statfs_t
	if syscall.Statfs(memoryDir, &st) != nil || st.Type != tmpfsMagic || st.Bavail*uint64(st.Bsize) < bytes {
		return false
	}
	available, err := availableMemory()
	return err == nil && available >= bytes && groupMemory() >= bytes
}

// groupMemory is the limit of the control group that this process sees as its own, as of a container; what
// is in memoryDir counts against it. Without one it is everything.
func groupMemory() uint64 {
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64); err == nil { // or "max"
			return n
		}
	}
	return math.MaxUint64
}

// tmpfsMagic is TMPFS_MAGIC of statfs(2).
const tmpfsMagic = 0x01021994

// availableMemory is what the kernel could give without swapping.
func availableMemory() (uint64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kb uint64
		if n, _ := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kb); n == 1 {
			return kb << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/meminfo does not say what is available")
}
