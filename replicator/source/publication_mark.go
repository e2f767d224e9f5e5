package source

import (
	"context"
	"fmt"
	"strconv"

	"replicator/replicator/pg"
)

// PublicationMark tells whether a publication is still the one that it was. Changes of a table that
// was taken out of it, if only for a moment, never come; nor do any on PostgreSQL 18 when it is gone,
// which earlier servers refuse to decode.
type PublicationMark struct {
	OID    uint32            `json:"oid"`    // 0: there is none of that name
	What   string            `json:"what"`   // is published of every table
	Tables map[uint32]string `json:"tables"` // by OID: their entry, which is another after DROP and ADD TABLE
}

// MarkPublication reads it.
func MarkPublication(ctx context.Context, conn *pg.Conn, name string) (PublicationMark, error) {
	m := PublicationMark{Tables: map[uint32]string{}}
	rows, err := conn.Query(ctx, `SELECT oid, concat(puballtables, pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot), NULL, NULL FROM pg_publication WHERE pubname = $1
		UNION ALL SELECT p.oid, NULL, prrelid, concat(r.oid, to_jsonb(r)->>'prqual', to_jsonb(r)->>'prattrs') FROM pg_publication p JOIN pg_publication_rel r ON prpubid = p.oid WHERE pubname = $1`, name)
	if err != nil {
		return m, fmt.Errorf("look for publication: %w", err)
	}
	for _, r := range rows {
		if r[2] == "" {
			m.OID, m.What = parseOID(r[0]), r[1]
		} else {
			m.Tables[parseOID(r[2])] = r[3]
		}
	}
	return m, nil
}

// Lost says what has become of a publication since it was m, such that changes are missing; "" if
// nothing has. A table that is gone altogether is another matter: exists tells the names of those that
// are not.
func (m PublicationMark) Lost(now PublicationMark, exists func(tables []uint32) ([]string, error)) (string, error) {
	switch {
	case now.OID == 0:
		return "is gone", nil
	case now.OID != m.OID:
		return "was dropped and made anew", nil
	case now.What != m.What:
		return "publishes other kinds of change than it did", nil
	}
	var other []uint32
	for table, entry := range m.Tables {
		if now.Tables[table] != entry {
			other = append(other, table)
		}
	}
	if len(other) == 0 {
		return "", nil
	}
	there, err := exists(other)
	if err != nil || len(there) == 0 {
		return "", err
	}
	return "was altered; taken out of it for a time, or filtered: " + some(there), nil
}

// parseOID is 0 for what is none; the server sends none such.
func parseOID(s string) uint32 {
	v, _ := strconv.ParseUint(s, 10, 32)
	return uint32(v)
}
