package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
)

// logTime is how PostgreSQL's own log writes it, so that the two can be read side by side.
const logTime = "2006-01-02 15:04:05.000 UTC"

// textHandler writes lines for people: time, level, message, and the attributes as slog's text
// handler has them.
type textHandler struct {
	shared *sharedText
	attrs  slog.Handler // writes into shared.line
}

type sharedText struct {
	mu   sync.Mutex
	w    io.Writer
	line bytes.Buffer
}

func newTextHandler(w io.Writer, level slog.Level) slog.Handler {
	s := &sharedText{w: w}
	return &textHandler{shared: s, attrs: slog.NewTextHandler(&s.line, &slog.HandlerOptions{Level: level, ReplaceAttr: onlyAttrs})}
}

// onlyAttrs drops what Handle has written itself.
func onlyAttrs(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

// spelled writes durations in JSON as in text: a bare number of nanoseconds looks like anything else.
func spelled(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func (h *textHandler) Enabled(ctx context.Context, l slog.Level) bool { return h.attrs.Enabled(ctx, l) }

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &textHandler{shared: h.shared, attrs: h.attrs.WithAttrs(attrs)}
}

func (h *textHandler) WithGroup(name string) slog.Handler {
	return &textHandler{shared: h.shared, attrs: h.attrs.WithGroup(name)}
}

func (h *textHandler) Handle(ctx context.Context, r slog.Record) error {
	s := h.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line.Reset()
	s.line.WriteString(r.Time.UTC().Format(logTime) + " " + r.Level.String() + " " + r.Message + " ")
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	line := append(bytes.TrimRight(s.line.Bytes(), " \n"), '\n')
	_, err := s.w.Write(line)
	return err
}
