package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"time"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// answerTime bounds the wait for an answer to begin: the engine gives it from memory.
const answerTime = 10 * time.Second

var errSilent = errors.New("the engine does not answer on its control socket")

// Remote is the engine of a state directory, seen from another process. Every call fails with
// ErrNotRunning where there is none.
type Remote struct{ dir string }

// Client is the engine of dir; nothing is connected yet.
func Client(dir string) Remote { return Remote{dir: dir} }

// Status asks the engine how far it is.
func (c Remote) Status(ctx context.Context) (status.Status, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, errSilent)
	defer cancel()
	var s status.Status
	body, err := c.ask(ctx, http.MethodGet, "/v1/status", nil)
	if err != nil {
		return s, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&s); err != nil {
		return s, fmt.Errorf("read status: %w", err)
	}
	return s, nil
}

// errUnknownEnd says that nobody knows how a catch-up ended: the engine died under it.
var errUnknownEnd = fault.New(fault.Unexpected,
	errors.New("the engine went away during the catch-up; how far it came is not known"),
	"run replicator status, then replicator catchup again: it goes on from where the engine stopped or lifts the fence")

// Catchup has the engine catch up and tells each event. It returns the report, where the
// engine made one, and the engine's error with its code and hint. When ctx ends it tells the engine
// to abort and goes on until the engine has said how that went; a process that cannot wait for it
// may just end, which aborts as well.
func (c Remote) Catchup(ctx context.Context, r Request, event func(catchup.Event)) (*catchup.Report, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	follow, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	body, err := c.ask(follow, http.MethodPost, "/v1/catchup", text)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	// Only now has the engine begun; before there was nothing that it could be told to abort.
	stop := context.AfterFunc(ctx, func() {
		if err := c.abort(follow); err != nil {
			hangUp()
		}
	})
	defer stop()
	return read(json.NewDecoder(body), event)
}

// Set changes a setting of the engine; its refusal comes with its code and hint.
func (c Remote) Set(ctx context.Context, name, value string) error {
	text, err := json.Marshal(Setting{Name: name, Value: value})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, errSilent)
	defer cancel()
	body, err := c.ask(ctx, http.MethodPost, "/v1/set", text)
	if err != nil {
		return err
	}
	defer body.Close()
	var m message
	if err := json.NewDecoder(body).Decode(&m); err != nil {
		return fmt.Errorf("read the engine's answer: %w", err)
	}
	return m.Error.Err()
}

// read follows a catch-up to its last line.
func read(lines *json.Decoder, event func(catchup.Event)) (*catchup.Report, error) {
	for {
		var m message
		if err := lines.Decode(&m); err != nil {
			return nil, errUnknownEnd
		}
		if m.Last {
			if m.Report != nil {
				m.Report.Documents = m.Documents
			}
			return m.Report, m.Error.Err()
		}
		if m.Event != nil {
			event(*m.Event)
		}
	}
}

// abort tells the engine to stop the catch-up that it does.
func (c Remote) abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTime, errSilent)
	defer cancel()
	body, err := c.ask(ctx, http.MethodDelete, "/v1/catchup", nil)
	if err != nil {
		return err
	}
	return body.Close()
}

// unasked says why the engine could not be asked.
func unasked(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fault.New(fault.Usage, errors.New("this user may not speak to the engine of this --dir"), "be the user that the engine runs as, or root")
	}
	return fmt.Errorf("ask the engine: %w", err)
}

// ask sends one request and returns the body of its answer.
func (c Remote) ask(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: answerTime,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, c.dir)
		},
	}}
	res, err := client.Do(req)
	switch {
	case errors.Is(err, ErrNotRunning):
		return nil, ErrNotRunning
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, unasked(err)
	case res.StatusCode != http.StatusOK:
		return nil, errors.Join(fmt.Errorf("ask the engine: it answers %s to %s", res.Status, path), res.Body.Close())
	}
	return res.Body, nil
}
