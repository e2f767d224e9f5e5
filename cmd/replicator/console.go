package main

import (
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// console is stderr. On a terminal it can keep one live line below everything that is written.
type console struct {
	mu   sync.Mutex
	file *os.File
	tty  bool
	line string
}

func newConsole(f *os.File, tty bool) *console { return &console{file: f, tty: tty} }

// eraseLine goes to the beginning of the terminal's line and empties it.
const eraseLine = "\r\x1b[K"

// Write takes whole lines.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line == "" {
		return c.file.Write(p)
	}
	if _, err := io.WriteString(c.file, eraseLine+string(p)+c.line); err != nil {
		return 0, err
	}
	return len(p), nil
}

// setLine replaces the live line, as much of it as the terminal is wide; "" takes it away.
func (c *console) setLine(line string) {
	if !c.tty {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if width, _, err := term.GetSize(int(c.file.Fd())); err == nil && width > 1 {
		if runes := []rune(line); len(runes) > width-1 {
			line = string(runes[:width-1])
		}
	}
	if line != c.line {
		io.WriteString(c.file, eraseLine+line) // a terminal that takes nothing more has nobody before it
		c.line = line
	}
}
