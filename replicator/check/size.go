package check

import (
	"fmt"
	"time"
)

// size spells bytes the way pg_size_pretty does, in powers of 1024.
func size(bytes int64) string {
	const step = 1024
	if bytes < step {
		return fmt.Sprintf("%d bytes", bytes)
	}
	v, unit := float64(bytes), 0
	for v >= step && unit < 4 {
		v /= step
		unit++
	}
	if v >= 10 {
		return fmt.Sprintf("%.0f %s", v, []string{"bytes", "kB", "MB", "GB", "TB"}[unit])
	}
	return fmt.Sprintf("%.1f %s", v, []string{"bytes", "kB", "MB", "GB", "TB"}[unit])
}

// span spells a guessed time without more digits than the guess is worth.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.1f h", d.Hours())
}
