package measure

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Machine is where a benchmark ran.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes"`
	Kernel string `json:"kernel"`
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.0f GB, Linux %s", m.CPU, m.Cores, float64(m.Memory)/1e9, m.Kernel)
}

// ThisMachine asks the kernel; what it does not tell stays empty.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), CPU: procField("/proc/cpuinfo", "model name")}
	if kb, _, ok := strings.Cut(procField("/proc/meminfo", "MemTotal"), " "); ok {
		n, _ := strconv.ParseInt(kb, 10, 64) // 0 says enough
		m.Memory = n << 10
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	return m
}

// procField is the first "name : value" of a file in /proc.
func procField(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if field, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(field) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Version is the first line that a program says about itself.
func Version(ctx context.Context, program string, args ...string) string {
	out, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return line
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
