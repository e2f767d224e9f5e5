package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"replicator/replicator/catchup"
	"replicator/replicator/fault"
	"replicator/replicator/status"
)

// answerTime bounds the wait for an answer to begin: the engine gives it from memory.
const answerTime = 10 * time.Second

// Client speaks HTTP to the engine of dir; any host name will do. Requests fail with ErrNotRunning
// where there is none.
func Client(dir string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives:     true,
		ResponseHeaderTimeout: answerTime,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, dir)
		},
	}}
}

// Status asks the engine of dir how far it is.
func Status(ctx context.Context, dir string) (status.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var s status.Status
	body, err := ask(ctx, dir, http.MethodGet, "/v1/status", nil)
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

// Catchup has the engine of dir catch up and tells each event. It returns the report, where the
// engine made one, and the engine's error with its code and hint. When ctx ends it tells the engine
// to abort and goes on until the engine has said how that went; a process that cannot wait for it
// may just end, which aborts as well.
func Catchup(ctx context.Context, dir string, r Request, event func(catchup.Event)) (*catchup.Report, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	follow, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	body, err := ask(follow, dir, http.MethodPost, "/v1/catchup", text)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	// Only now has the engine begun; before there was nothing that it could be told to abort.
	stop := context.AfterFunc(ctx, func() {
		if err := abort(follow, dir); err != nil {
			hangUp()
		}
	})
	defer stop()
	return read(json.NewDecoder(body), event)
}

// read follows a catch-up to its last line.
func read(lines *json.Decoder, event func(catchup.Event)) (*catchup.Report, error) {
	for {
		var m message
		if err := lines.Decode(&m); err != nil {
			return nil, errUnknownEnd
		}
		if m.Last {
			return m.Report, m.Error.Err()
		}
		if m.Event != nil {
			event(*m.Event)
		}
	}
}

// abort tells the engine to stop the catch-up that it does.
func abort(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	body, err := ask(ctx, dir, http.MethodDelete, "/v1/catchup", nil)
	if err != nil {
		return err
	}
	return body.Close()
}

// ask sends one request and returns the body of its answer.
func ask(ctx context.Context, dir, method, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://engine"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := Client(dir).Do(req)
	switch {
	case errors.Is(err, ErrNotRunning):
		return nil, ErrNotRunning
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("ask the engine: %w", err)
	case res.StatusCode != http.StatusOK:
		return nil, errors.Join(fmt.Errorf("ask the engine: it answers %s to %s", res.Status, path), res.Body.Close())
	}
	return res.Body, nil
}
