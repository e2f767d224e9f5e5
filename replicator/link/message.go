package link

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/zeebo/blake3"

	"replicator/checksum"
	"replicator/checksum/frame"
)

// Kind is what a message is.
type Kind uint8

// The kinds of message. Those of the source end:
const (
	kindHello   Kind = 1  // who it is and what for: Hello
	kindCall    Kind = 2  // a call of the target end: request
	kindCancel  Kind = 3  // the caller no longer wants the call
	kindForget  Kind = 4  // the call's result has arrived
	kindPing    Kind = 5  // pulse
	kindBegin   Kind = 6  // a chunk begins: chunkBegin
	kindRows    Kind = 7  // a frame of it
	kindCommit  Kind = 8  // its receipt
	kindAbort   Kind = 9  // it comes to nothing
	kindFollow  Kind = 10 // changes follow: target.FollowConfig
	kindChange  Kind = 11 // a frame of changes
	kindEnd     Kind = 12 // there will be no more changes
	kindMeasure Kind = 13 // a measurement begins: fillBegin
)

// And those of the target end.
const (
	kindWelcome  Kind = 32 // the connection may be used: welcome
	kindResult   Kind = 33 // how a call, a chunk or a following ended: result
	kindPong     Kind = 34 // pulse
	kindProgress Kind = 35 // apply.Progress; of a measurement: arrived
)

// Of either end.
const kindFill Kind = 64 // a frame that is only measured

// framed reports whether the body is a sealed frame.
func (k Kind) framed() bool { return k == kindRows || k == kindChange || k == kindFill }

const (
	messageMagic   = "rpM1"
	messageHeader  = 72
	messageCovered = 40
	flagZstd       = 1
	// largestBody bounds a body that is no frame: the plan of 100,000 tables takes less.
	largestBody = 256 << 20
)

// errDamaged says that a message is not what was sent. The connection it came over is useless.
var errDamaged = errors.New("message is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errDamaged}, args...)...)
}

// header is what a message says about itself.
type header struct {
	kind  Kind
	flags byte
	size  int
	epoch int64
	seq   uint64
	call  uint64
}

// binding ties messages to a connection, a direction on it, a job and an engine instance.
type binding checksum.Digest

// channel is what both ends of a TLS connection know of it, and no other connection has.
type channel [32]byte

func newChannel(conn *tls.Conn) (c channel, err error) {
	state := conn.ConnectionState()
	key, err := state.ExportKeyingMaterial("EXPERIMENTAL replicator link", nil, len(c))
	copy(c[:], key)
	return c, err
}

// side is an end of the link, as the sender of a message.
type side byte

const (
	sourceSide side = 's'
	targetSide side = 't'
)

// other is the side that a side talks to.
func (s side) other() side { return sourceSide + targetSide - s }

func newBinding(c channel, from side, job, instance string) binding {
	return binding(checksum.Sum([]byte("replicator link v1\x00" + string(c[:]) + string(rune(from)) + job + "\x00" + instance)))
}

// seal writes h and the digest of it and body into b, which has room for a header.
func (h *header) seal(b []byte, bind binding, body []byte) {
	copy(b, messageMagic)
	b[4], b[5], b[6], b[7] = byte(h.kind), h.flags, 0, 0
	binary.BigEndian.PutUint64(b[8:], uint64(len(body)))
	binary.BigEndian.PutUint64(b[16:], uint64(h.epoch))
	binary.BigEndian.PutUint64(b[24:], h.seq)
	binary.BigEndian.PutUint64(b[32:], h.call)
	d := h.digest(b, bind, body)
	copy(b[messageCovered:], d[:])
}

func (h *header) digest(b []byte, bind binding, body []byte) (d checksum.Digest) {
	w := blake3.New()
	_, _ = w.Write(bind[:])
	_, _ = w.Write(b[:messageCovered])
	if !h.kind.framed() {
		_, _ = w.Write(body)
	}
	w.Sum(d[:0])
	return d
}

// parse reads the header in b; its digest is checked later, with the body.
func (h *header) parse(b []byte) error {
	if string(b[:4]) != messageMagic {
		return damaged("no magic")
	}
	size := binary.BigEndian.Uint64(b[8:])
	*h = header{
		kind: Kind(b[4]), flags: b[5], epoch: int64(binary.BigEndian.Uint64(b[16:])),
		seq: binary.BigEndian.Uint64(b[24:]), call: binary.BigEndian.Uint64(b[32:]),
	}
	most := uint64(largestBody)
	if h.kind.framed() {
		most = frame.HeaderSize + frame.MaxRaw
	}
	if b[6] != 0 || b[7] != 0 || h.flags&^flagZstd != 0 || h.kind.framed() && h.flags != 0 {
		return damaged("unknown flags")
	}
	if size > most {
		return damaged("%d bytes of kind %d", size, h.kind)
	}
	h.size = int(size)
	return nil
}

// readMessage reads one message into buf's memory and returns its body. A frame is not opened: that
// is for whoever writes or applies it. io.EOF says that r ended between two messages.
func readMessage(r io.Reader, bind binding, buf []byte) (h header, body []byte, err error) {
	var head [messageHeader]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return h, nil, err
	}
	if err := h.parse(head[:]); err != nil {
		return h, nil, err
	}
	if body, err = readBody(r, h.size, buf); err != nil {
		return h, nil, err
	}
	if h.digest(head[:], bind, body) != checksum.Digest(head[messageCovered:]) {
		return h, nil, damaged("digest differs, kind %d, sequence %d", h.kind, h.seq)
	}
	return h, body, nil
}

// readStep is how much memory a header's word is good for; beyond it memory follows the bytes.
const readStep = 256 << 10

func readBody(r io.Reader, size int, buf []byte) ([]byte, error) {
	buf = buf[:0]
	for len(buf) < size {
		at := len(buf)
		n := min(size-at, max(readStep, at, cap(buf)-at))
		buf = slices.Grow(buf, n)[:at+n]
		if _, err := io.ReadFull(r, buf[at:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return buf, nil
}
