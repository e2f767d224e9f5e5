package chunker

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"replicator/checksum"
	"replicator/replicator/pg"
)

// ByKey reports whether rows of t can be looked up by the image of their key as the change stream
// carries it: binary, and the same on both sides.
func ByKey(t *Table, text bool) bool {
	if t.Identity != IdentityKey || t.Text || text {
		return false
	}
	for _, name := range t.Key {
		if i := t.Column(name); i < 0 || !steady(&t.Columns[i]) {
			return false
		}
	}
	return true
}

// Lookup is the fingerprint of the rows with these keys, read through the index of the key; keys are
// images of the key columns (per column length and bytes). What is read does not depend on how large
// the table is.
func (s *Scan) Lookup(ctx context.Context, conn *pg.Conn, keys [][]byte) (*checksum.Fingerprint, error) {
	sp, err := spell(s.Table, s.Text)
	if err != nil {
		return nil, err
	}
	params, err := keyArrays(s.Table, keys)
	if err != nil {
		return nil, err
	}
	if err := conn.Exec(ctx, lookupSettings); err != nil {
		return nil, err
	}
	formats := make([]int16, len(params))
	for i := range formats {
		formats[i] = 1
	}
	sum, hasher := checksum.NewFingerprint(s.Secret, nil), s.hasher(&sp, nil)
	res := conn.Raw().ExecParams(ctx, lookupSQL(s.Table, &sp), params, nil, formats, []int16{1})
	var image []byte
	for err == nil && res.NextRow() {
		image = appendImage(image[:0], res.Values())
		var h checksum.RowHash
		if h, _, err = hasher.hash(image); err == nil {
			sum.Add(h, len(image))
		}
	}
	if _, cerr := res.Close(); cerr != nil {
		return nil, fmt.Errorf("look up rows of %s: %w", s.Table, conn.Clean(cerr))
	}
	return sum, err
}

// lookupSettings: the planner does not know how many keys come, and must not read the whole table for
// them; amounts of money are spelled as in a scan.
const lookupSettings = `SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET lc_monetary = 'C'`

// lookupSQL joins the table with the keys, one array for each column.
func lookupSQL(t *Table, sp *spelling) string {
	args, names, on := make([]string, len(t.Key)), make([]string, len(t.Key)), make([]string, len(t.Key))
	for i, name := range t.Key {
		args[i] = fmt.Sprintf("$%d::%s[]", i+1, t.Columns[t.Column(name)].Type)
		names[i] = fmt.Sprintf("replicator_k%d", i)
		on[i] = fmt.Sprintf("replicator_t.%s = replicator_k.replicator_k%d", pg.Ident(name), i)
	}
	return fmt.Sprintf("SELECT %s FROM unnest(%s) AS replicator_k(%s) JOIN ONLY %s AS replicator_t ON %s", strings.Join(sp.exprs, ", "),
		strings.Join(args, ", "), strings.Join(names, ", "), t.Qualified(), strings.Join(on, " AND "))
}

// keyArrays are the keys column by column, in array_send's format.
func keyArrays(t *Table, keys [][]byte) ([][]byte, error) {
	out := make([][]byte, len(t.Key))
	for i, name := range t.Key {
		b := binary.BigEndian.AppendUint32(nil, 1) // dimensions
		b = binary.BigEndian.AppendUint32(b, 0)    // no NULLs
		b = binary.BigEndian.AppendUint32(b, t.Columns[t.Column(name)].OID)
		b = binary.BigEndian.AppendUint32(b, uint32(len(keys)))
		out[i] = binary.BigEndian.AppendUint32(b, 1) // lower bound
	}
	for _, k := range keys {
		for i := range out {
			if len(k) < 4 || uint64(binary.BigEndian.Uint32(k)) > uint64(len(k)-4) {
				return nil, fmt.Errorf("key of %s is damaged", t)
			}
			n := 4 + int(binary.BigEndian.Uint32(k))
			out[i], k = append(out[i], k[:n]...), k[n:]
		}
		if len(k) > 0 {
			return nil, fmt.Errorf("key of %s is damaged", t)
		}
	}
	return out, nil
}

// appendImage is a row's image as COPY has it.
func appendImage(dst []byte, values [][]byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(values)))
	for _, v := range values {
		if v == nil {
			dst = append(dst, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
		dst = append(dst, v...)
	}
	return dst
}
