package status

// paint says whether a terminal is painted.
type paint bool

func (p paint) bold(s string) string { return p.wrap("1", s) }
func (p paint) red(s string) string  { return p.wrap("31", s) }

func (p paint) wrap(code, s string) string {
	if !p {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
