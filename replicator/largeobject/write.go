package largeobject

import (
	"context"
	"encoding/binary"
	"fmt"

	"replicator/replicator/pg"
)

// Bounds of what is held before it goes to the server, in bytes of content and in pieces of it. A piece
// is pages in a row of one object; the server takes it in one call.
const (
	heldBytes  = 1 << 20
	heldPieces = 512
)

// Writer does a batch in a transaction that belongs to its caller. Pages, Finish; nothing else uses the
// session meanwhile.
type Writer struct {
	conn  *pg.Conn
	batch *Batch
	pages pages
	size  int64 // of a page

	at     int   // object of the batch that pages come for
	last   int32 // page of it that came last; -1: none
	top    int32 // its highest page; -1: none
	hollow bool  // that one is empty: it only makes the object so long
	rows   int64
	held   []byte
	pieces []piece
}

// piece is a part of held and where it belongs.
type piece struct {
	oid      uint32
	offset   int64
	from, to int // in held
}

// Begin removes what goes and what is written anew, and makes the latter.
func Begin(ctx context.Context, conn *pg.Conn, b *Batch) (*Writer, error) {
	w := &Writer{conn: conn, batch: b, at: -1}
	v, err := conn.Value(ctx, "SELECT current_setting('block_size')::int / 4")
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Sscan(v, &w.size); err != nil {
		return nil, fmt.Errorf("parse block size: %w", err)
	}
	if err := remove(ctx, conn, append(OIDs(b.Write), b.Remove...)); err != nil {
		return nil, fmt.Errorf("remove large objects: %w", explain(err))
	}
	_, err = conn.Query(ctx, "SELECT count(lo_create(o)) FROM unnest($1::oid[]) AS o", array(OIDs(b.Write)))
	if err != nil {
		return nil, fmt.Errorf("make large objects: %w", explain(err))
	}
	return w, nil
}

// remove unlinks what is there of a list. That is the owner's right: where we have it only by becoming
// the owner, we do.
func remove(ctx context.Context, conn *pg.Conn, oids []uint32) error {
	rows, err := conn.Query(ctx, `SELECT pg_get_userbyid(lomowner), pg_has_role(lomowner, 'USAGE'), array_agg(oid ORDER BY oid)
		FROM pg_largeobject_metadata WHERE oid = ANY ($1::oid[]) GROUP BY lomowner`, array(oids))
	if err != nil {
		return err
	}
	for _, r := range rows {
		err := as(ctx, conn, r[0], r[1] == "t", func() error {
			_, err := conn.Query(ctx, "SELECT count(lo_unlink(o)) FROM unnest($1::oid[]) AS o", r[2])
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// as runs f as a role, unless we have its rights anyway.
func as(ctx context.Context, conn *pg.Conn, role string, have bool, f func() error) error {
	if have {
		return f()
	}
	if err := conn.Exec(ctx, "SET LOCAL ROLE "+pg.Ident(role)); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return conn.Exec(ctx, "RESET ROLE")
}

// Pages takes a piece of what [Pages] copied, whole rows.
func (w *Writer) Pages(ctx context.Context, piece []byte) error {
	return w.pages.each(piece, func(p page) error { return w.page(ctx, p) })
}

// page holds one page, or writes what is held.
func (w *Writer) page(ctx context.Context, p page) error {
	for w.at < 0 || w.batch.Write[w.at].OID != p.oid {
		if err := w.leave(ctx); err != nil {
			return err
		}
		if w.at++; w.at == len(w.batch.Write) {
			return malformed("an object that is not of the batch, or out of order")
		}
		w.last, w.top, w.hollow = -1, -1, false
	}
	if !w.follows(p.no) || int64(len(p.data)) > w.size {
		return malformed("pages out of order, or of another size")
	}
	w.last = p.no
	w.rows++
	if p.no > w.top {
		w.top, w.hollow = p.no, len(p.data) == 0
	}
	if len(p.data) == 0 {
		return nil
	}
	if len(w.held)+len(p.data) > heldBytes || len(w.pieces) == heldPieces {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.hold(p.oid, int64(p.no)*w.size, p.data)
	return nil
}

// follows reports whether a page may come next: of the same block a higher one, or any of a lower block.
func (w *Writer) follows(no int32) bool {
	if w.last < 0 || no/block < w.last/block {
		return true
	}
	return no/block == w.last/block && no > w.last
}

func (w *Writer) hold(oid uint32, offset int64, data []byte) {
	from := len(w.held)
	w.held = append(w.held, data...)
	if n := len(w.pieces); n > 0 {
		if last := &w.pieces[n-1]; last.oid == oid && last.offset+int64(last.to-last.from) == offset {
			last.to = len(w.held)
			return
		}
	}
	w.pieces = append(w.pieces, piece{oid, offset, from, len(w.held)})
}

// Types of lo_put's arguments.
var putTypes, putFormats = []uint32{26, 20, 17}, []int16{1, 1, 1}

// flush writes what is held, all calls in one message.
func (w *Writer) flush(ctx context.Context) error {
	if len(w.pieces) == 0 {
		return nil
	}
	p := w.conn.Raw().StartPipeline(ctx)
	for _, c := range w.pieces {
		p.SendQueryParams("SELECT pg_catalog.lo_put($1, $2, $3)", [][]byte{
			binary.BigEndian.AppendUint32(nil, c.oid), binary.BigEndian.AppendUint64(nil, uint64(c.offset)), w.held[c.from:c.to],
		}, putTypes, putFormats, nil)
	}
	// Close reads all results, and fails with the first error among them.
	err := p.Sync()
	if cerr := p.Close(); err == nil {
		err = cerr
	}
	w.held, w.pieces = w.held[:0], w.pieces[:0]
	if err != nil {
		return fmt.Errorf("write large objects: %w", explain(w.conn.Clean(err)))
	}
	return nil
}

// leave gives an object that ends in a hole its size.
func (w *Writer) leave(ctx context.Context) error {
	if !w.hollow {
		return nil
	}
	w.hollow = false
	if err := w.flush(ctx); err != nil {
		return err
	}
	const write = "131072" // INV_WRITE
	_, err := w.conn.Query(ctx, "SELECT lo_truncate64(lo_open($1::oid, "+write+"), $2::bigint)", fmt.Sprint(w.batch.Write[w.at].OID), fmt.Sprint(int64(w.top)*w.size))
	return err
}

// Finish writes what is left and gives all objects owners, rights and comments. It returns the number of
// pages that came.
func (w *Writer) Finish(ctx context.Context) (rows int64, err error) {
	if err := w.leave(ctx); err != nil {
		return 0, err
	}
	if err := w.flush(ctx); err != nil {
		return 0, err
	}
	if len(w.batch.Write) > 0 && !w.pages.ended {
		return 0, malformed("the end is missing")
	}
	return w.rows, settle(ctx, w.conn, append(append([]Object{}, w.batch.Write...), w.batch.Alter...))
}
