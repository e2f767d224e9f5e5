package sizing

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"path/filepath"
	"time"

	"replicator/chunker"
	"replicator/replicator/target"
	"replicator/wal"
	"replicator/wal/changelog"
)

// changeTable is what made-up changes are applied to: a row of about a hundred bytes with a key.
const changeTable = "changes"

var changeColumns = []chunker.Column{
	{Name: "id", Type: "bigint", OID: 20, NotNull: true},
	{Name: "patient", Type: "integer", OID: 23},
	{Name: "at", Type: "timestamp with time zone", OID: 1184},
	{Name: "code", Type: "text", OID: 25},
	{Name: "note", Type: "text", OID: 25},
}

const changeSQL = `CREATE TABLE ` + target.ScratchSchema + `.` + changeTable + ` (id bigint PRIMARY KEY, patient int, at timestamptz, code text, note text)`

func newChangeTable() chunker.Table {
	return chunker.Table{OID: changeOID, Schema: target.ScratchSchema, Name: changeTable, Columns: changeColumns,
		Key: []string{"id"}, Identity: chunker.IdentityKey}
}

const changeOID = 70_000 // of the made-up source's table

// stream makes changes as pgoutput would, transactions of a few rows, and keeps them in a change log of
// its own, from which they are read as apply reads the real one.
type stream struct {
	remove func() error // its directory
	log    *changelog.Log
	lsn    wal.LSN
	buf    []byte
}

// rowsPerTransaction is what a ward's transaction writes.
const rowsPerTransaction = 5

func newStream(o *Options) (*stream, error) {
	dir, remove, err := tempDir()
	if err != nil {
		return nil, err
	}
	s := &stream{remove: remove, lsn: 0x1000}
	s.log, err = changelog.Open(changelog.Options{Dir: filepath.Join(dir, "changes"), Job: target.ScratchJob, Start: s.lsn, Compress: true, Logger: o.Logger})
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	return s, nil
}

func (s *stream) close() error { return errors.Join(s.log.Close(), s.remove()) }

// write makes changes of one kind, 'I', 'U' or 'D', of rows from to to.
func (s *stream) write(ctx context.Context, kind byte, from, to int) error {
	for at := from; at < to; at += rowsPerTransaction {
		final := s.lsn + 0x100*rowsPerTransaction
		s.begin(final)
		if err := s.flush(ctx); err != nil {
			return err
		}
		if at == from {
			s.relation()
			if err := s.flush(ctx); err != nil {
				return err
			}
		}
		for id := at; id < min(at+rowsPerTransaction, to); id++ {
			s.row(kind, id)
			if err := s.flush(ctx); err != nil {
				return err
			}
		}
		s.lsn = final
		s.commit()
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	_, err := s.log.Sync()
	return err
}

// flush appends the message that was made.
func (s *stream) flush(ctx context.Context) error {
	s.lsn += 8
	err := s.log.Append(ctx, s.lsn, s.buf)
	s.buf = s.buf[:0]
	return err
}

func (s *stream) begin(final wal.LSN) {
	s.buf = append(s.buf, 'B')
	s.uint64(uint64(final))
	s.uint64(0)
	s.buf = binary.BigEndian.AppendUint32(s.buf, 1)
}

func (s *stream) commit() {
	s.buf = append(s.buf, 'C', 0)
	s.uint64(uint64(s.lsn))
	s.uint64(uint64(s.lsn + 8))
	s.uint64(0)
}

func (s *stream) relation() {
	s.buf = append(s.buf, 'R')
	s.buf = binary.BigEndian.AppendUint32(s.buf, changeOID)
	s.buf = append(s.buf, target.ScratchSchema+"\x00"+changeTable+"\x00d"...)
	s.buf = binary.BigEndian.AppendUint16(s.buf, uint16(len(changeColumns)))
	for i, c := range changeColumns {
		s.buf = append(s.buf, byte(max(0, 1-i))) // the first is the key
		s.buf = append(s.buf, c.Name+"\x00"...)
		s.buf = binary.BigEndian.AppendUint32(s.buf, c.OID)
		s.buf = binary.BigEndian.AppendUint32(s.buf, ^uint32(0))
	}
}

func (s *stream) row(kind byte, id int) {
	s.buf = append(s.buf, kind)
	s.buf = binary.BigEndian.AppendUint32(s.buf, changeOID)
	if kind == 'D' {
		s.buf = append(s.buf, 'K')
		s.buf = binary.BigEndian.AppendUint16(s.buf, uint16(len(changeColumns)))
		s.value(binary.BigEndian.AppendUint64(nil, uint64(id)))
		s.buf = append(s.buf, "nnnn"...)
		return
	}
	s.buf = append(s.buf, 'N')
	s.buf = binary.BigEndian.AppendUint16(s.buf, uint16(len(changeColumns)))
	for _, v := range madeRow(id, kind == 'U') {
		s.value(v)
	}
}

func (s *stream) value(v []byte) {
	s.buf = append(s.buf, 'b')
	s.buf = binary.BigEndian.AppendUint32(s.buf, uint32(len(v)))
	s.buf = append(s.buf, v...)
}

func (s *stream) uint64(v uint64) { s.buf = binary.BigEndian.AppendUint64(s.buf, v) }

// apply has the target apply what was written since from, and tells how long that took.
func (s *stream) apply(ctx context.Context, end target.End, from wal.LSN) (time.Duration, error) {
	r, err := s.log.Reader(from)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	began := time.Now()
	_, err = end.Follow(ctx, target.FollowConfig{Tables: []chunker.Table{newChangeTable()}, Stop: s.log.Durable()}, r)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return time.Since(began), err
}
