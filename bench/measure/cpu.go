package measure

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc, the same on every Linux that PostgreSQL runs on.
const tick = time.Second / 100

// MachineBusy is the CPU time that all processes of the machine have used so far.
func MachineBusy() (time.Duration, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b), "\n") // cpu user nice system idle iowait irq softirq steal
	f := strings.Fields(line)
	if len(f) < 9 {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	return ticks(f[1], f[2], f[3], f[6], f[7])
}

// TreeCPU is the CPU time of a process, of all children that it has waited for, and of those that
// run: of a PostgreSQL server, given its postmaster.
func TreeCPU(pid int) (time.Duration, error) {
	sum, err := processCPU(pid)
	if err != nil {
		return 0, err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, err
	}
	for _, child := range strings.Fields(string(b)) {
		n, err := strconv.Atoi(child)
		if err != nil {
			return 0, fmt.Errorf("children of %d: %w", pid, err)
		}
		d, err := TreeCPU(n)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // it has ended in between
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

// processCPU is utime, stime, cutime and cstime of /proc/PID/stat.
func processCPU(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	s := string(b)
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:]) // the name before may hold anything
	if len(f) < 15 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	return ticks(f[11:15]...)
}

func ticks(fields ...string) (sum time.Duration, err error) {
	for _, f := range fields {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read CPU time: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}
