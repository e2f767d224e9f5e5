package replicator

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"

	"replicator/replicator/pg"
	"replicator/replicator/schema"
	"replicator/wal/pgoutput"
)

// naming spells the values of regclass and its like in a stream in binary, where they are OIDs that mean
// something else on the target. One such column would have all tables' changes come in text otherwise, which
// the source and the target pay for. It belongs to one connection of the stream, and asks by one of its own,
// made when the first value comes.
//
// A name is that of the time at which it is asked for, not of the commit. Where the two differ somebody has
// renamed or dropped what it names, which the target has under its old name or still has: the comparison at
// the fence tells.
type naming struct {
	connect func(context.Context) (*pg.Conn, error)
	conn    *pg.Conn
	types   map[uint32]string   // by OID
	columns map[uint32][]string // by relation: the type of each column that is spelled, "" for others
	names   map[named]string
	msg     pgoutput.Message
	out     []byte
}

type named struct {
	kind string
	oid  uint32
}

// mostNames bounds what is remembered.
const mostNames = 100_000

func newNaming(connect func(context.Context) (*pg.Conn, error)) *naming {
	return &naming{connect: connect, columns: map[uint32][]string{}, names: map[named]string{}}
}

func (n *naming) close() {
	if n.conn != nil {
		n.conn.Close()
	}
}

// spell implements stream.Config.Spell.
func (n *naming) spell(ctx context.Context, msg []byte) ([]byte, error) {
	id, _ := pgoutput.RelationID(msg)
	if pgoutput.Kind(msg) == 'R' {
		return msg, n.describe(ctx, id, msg)
	}
	columns := n.columns[id]
	if columns == nil {
		return msg, nil
	}
	var err error
	n.out, err = pgoutput.AppendSpelled(n.out[:0], msg, func(column int, value []byte) (string, bool, error) {
		if column >= len(columns) || columns[column] == "" || len(value) != 4 {
			return "", false, nil
		}
		name, err := n.name(ctx, named{columns[column], binary.BigEndian.Uint32(value)})
		return name, true, err
	})
	return n.out, err
}

// describe learns which columns of a relation are spelled.
func (n *naming) describe(ctx context.Context, id uint32, msg []byte) error {
	if err := pgoutput.Decode(msg, &n.msg); err != nil {
		return err
	}
	if n.types == nil {
		var err error
		if n.conn, err = n.connect(ctx); err != nil {
			return err
		}
		if n.types, err = schema.NamedTypes(ctx, n.conn); err != nil {
			return err
		}
	}
	delete(n.columns, id)
	kinds := make([]string, len(n.msg.Relation.Columns))
	for i, c := range n.msg.Relation.Columns {
		if kinds[i] = n.types[c.Type]; kinds[i] != "" {
			n.columns[id] = kinds
		}
	}
	return nil
}

func (n *naming) name(ctx context.Context, v named) (string, error) {
	if name, ok := n.names[v]; ok {
		return name, nil
	}
	name, err := n.conn.Value(ctx, "SELECT $1::oid::"+v.kind+"::text", strconv.FormatUint(uint64(v.oid), 10))
	if err != nil {
		return "", fmt.Errorf("spell a %s: %w", v.kind, err)
	}
	if len(n.names) >= mostNames {
		clear(n.names)
	}
	n.names[v] = name
	return name, nil
}
