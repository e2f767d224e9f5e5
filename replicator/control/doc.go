// Package control is how a second terminal speaks to a running job: HTTP over the unix socket
// control.sock in the job's state directory.
//
//	GET    /v1/status   the job's status.Status as JSON
//	POST   /v1/catchup  a [Request] as JSON; answers with a stream of JSON lines, one catchup.Event
//	                    each, and last one line with the report, the error, or both
//	DELETE /v1/catchup  tells the catch-up that runs to stop; its stream says how that went
//
// The socket is mode 0600 in a directory of mode 0700: whoever can connect is the user that runs
// the engine. No DSN, password or row value crosses it.
//
// The engine side is [Serve] with [Handler]; the other side is [Client], whose calls return
// [ErrNotRunning] where no engine listens. That is how a command finds out that it must do the
// work itself. A catch-up lives as long as its client: when the client goes away the context given
// to the engine ends, which aborts the catch-up and lifts the fence (invariant I13).
package control
