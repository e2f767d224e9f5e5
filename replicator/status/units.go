package status

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Sizes are PostgreSQL's: 1 kB is 1024 bytes.
var sizeUnits = []string{"B", "kB", "MB", "GB", "TB", "PB"}

// sizeUnit is the largest unit of which n has at least one, and what one is.
func sizeUnit(n float64) (string, float64) {
	i, one := 0, 1.0
	for n >= 999.5*one && i < len(sizeUnits)-1 {
		i, one = i+1, one*1024
	}
	return sizeUnits[i], one
}

// Size is n bytes in three or four digits: 812 B, 12.3 GB, 412 MB.
func Size(n float64) string {
	unit, one := sizeUnit(n)
	return digits(n/one, unit == "B") + " " + unit
}

// sizes is part of whole in one unit: 12.3/67.9 GB.
func sizes(part, whole float64) string {
	unit, one := sizeUnit(max(part, whole))
	return digits(part/one, unit == "B") + "/" + digits(whole/one, unit == "B") + " " + unit
}

func digits(n float64, whole bool) string {
	if whole || n >= 99.95 || n == 0 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	return strconv.FormatFloat(n, 'f', 1, 64)
}

// Count is n with its thousands apart: 1,234,567.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Seconds is a duration as people say it: 1.2 s, 48 s, 3 min 20 s, 2 h 5 min, 3 d 4 h.
func Seconds(s float64) string {
	if s < 9.95 {
		return strconv.FormatFloat(s, 'f', 1, 64) + " s"
	}
	n := int64(math.Round(s))
	switch {
	case n < 60:
		return fmt.Sprintf("%d s", n)
	case n < 3600:
		return fmt.Sprintf("%d min %d s", n/60, n%60)
	case n < 86400:
		return fmt.Sprintf("%d h %d min", n/3600, n%3600/60)
	}
	return fmt.Sprintf("%d d %d h", n/86400, n%86400/3600)
}

// clock is an estimate as hours, minutes and seconds: 00:41:05, 2d 03:00:00; "unknown" for -1.
func clock(s float64) string {
	if s < 0 {
		return "unknown"
	}
	n := int64(math.Ceil(s))
	days := ""
	if n >= 86400 {
		days = fmt.Sprintf("%dd ", n/86400)
	}
	return fmt.Sprintf("%s%02d:%02d:%02d", days, n%86400/3600, n%3600/60, n%60)
}

// Time is an instant in UTC, to the second.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// Printable replaces what could steer a terminal: names come from the database.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(int64(n)) + " " + many
}
