package clinical

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// row writes one table's rows in COPY's text format, column after column. All randomness of a
// table comes from its own rng, so that tables can be made in any order and in parallel.
type row struct {
	buf    []byte
	start  int // of the row being written
	rng    *rand.Rand
	words  *Prose
	size   size
	seed   uint64
	canary string
}

const stamp = "2006-01-02 15:04:05.999999-07"

func (r *row) column() {
	if len(r.buf) > r.start {
		r.buf = append(r.buf, '\t')
	}
}

func (r *row) end() {
	r.buf = append(r.buf, '\n')
	r.start = len(r.buf)
}

func (r *row) null() {
	r.column()
	r.buf = append(r.buf, `\N`...)
}

func (r *row) int(n int) {
	r.column()
	r.buf = strconv.AppendInt(r.buf, int64(n), 10)
}

// fixed writes n/10^digits.
func (r *row) fixed(n, digits int) {
	r.column()
	r.buf = strconv.AppendFloat(r.buf, float64(n)/pow10(digits), 'f', digits, 64)
}

func pow10(n int) float64 {
	p := 1.0
	for range n {
		p *= 10
	}
	return p
}

func (r *row) bool(b bool) { r.lit(strconv.FormatBool(b)) }

func (r *row) time(t time.Time) {
	r.column()
	r.buf = t.AppendFormat(r.buf, stamp)
}

// period writes a tstzrange; without an end when until is zero.
func (r *row) period(from, until time.Time) {
	upper := ""
	if !until.IsZero() {
		upper = `"` + until.Format(stamp) + `"`
	}
	r.lit(`["` + from.Format(stamp) + `",` + upper + `)`)
}

// lit writes a value that is no text of a person's: enum, range, number, JSON made elsewhere.
func (r *row) lit(s string) {
	r.column()
	r.escape(s)
}

// text writes a text value, marked with the canary.
func (r *row) text(s string) { r.lit(r.mark(s)) }

// bytes writes a bytea.
func (r *row) bytes(b []byte) {
	r.column()
	r.buf = append(r.buf, `\\x`...)
	r.buf = hex.AppendEncode(r.buf, b)
}

// mark adds the canary; every text anywhere in the rows goes through it.
func (r *row) mark(s string) string { return Mark(s, r.canary) }

// Mark adds the canary to a text; an empty canary changes nothing.
func Mark(s, canary string) string {
	if canary == "" {
		return s
	}
	return s + " " + canary
}

// code is a text key: prefix, number and the canary.
func (r *row) code(prefix string, i int) string { return code(prefix, i, r.canary) }

func code(prefix string, i int, canary string) string {
	s := fmt.Sprintf("%s%05d", prefix, i)
	if canary == "" {
		return s
	}
	return s + "-" + canary
}

// uuid is the i-th of a kind; the same in every table that names it.
func (r *row) uuid(kind uint64, i int) string {
	hi := mix(r.seed ^ mix(kind) ^ uint64(i))
	lo := mix(hi ^ kind)
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xfff, lo>>48&0x3fff|0x8000, lo&0xffffffffffff)
}

func (r *row) escape(s string) {
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\':
			r.buf = append(r.buf, `\\`...)
		case '\n':
			r.buf = append(r.buf, `\n`...)
		case '\r':
			r.buf = append(r.buf, `\r`...)
		case '\t':
			r.buf = append(r.buf, `\t`...)
		default:
			r.buf = append(r.buf, c)
		}
	}
}

func (r *row) chance(p float64) bool { return r.rng.Float64() < p }

func pick[T any](r *row, from []T) T { return from[r.rng.IntN(len(from))] }

// array and composite are literals with every part quoted, "" being NULL.
func array(parts ...string) string     { return "{" + quoted(parts, "NULL") + "}" }
func composite(parts ...string) string { return "(" + quoted(parts, "") + ")" }

var literalEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

func quoted(parts []string, null string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte(',')
		}
		if p == "" {
			b.WriteString(null)
			continue
		}
		b.WriteByte('"')
		b.WriteString(literalEscape.Replace(p))
		b.WriteByte('"')
	}
	return b.String()
}
