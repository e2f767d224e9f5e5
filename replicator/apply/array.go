package apply

import (
	"encoding/binary"

	"replicator/wal/pgoutput"
)

// maxArray is what the arrays of one set operation may take together. The server takes 1 GB in
// one message; a text array may need twice the bytes of its values.
const maxArray = 256 << 20

// vector is one column of a set of rows: element n is values[offs[n]+at].
type vector struct {
	values []pgoutput.Value
	offs   []int32
	at     int32
}

// wire is the format that all of the vector's values share: 'b', 't', 'n' when all are NULL, 0
// when they are mixed or a TOAST value is unchanged. size is the bytes of the values.
func (v vector) wire() (format byte, size int64) {
	format = 'n'
	for _, o := range v.offs {
		e := &v.values[o+v.at]
		size += int64(len(e.Data)) + 4
		switch {
		case e.Kind == 'n' || e.Kind == format:
		case e.Kind == 'u' || format != 'n':
			return 0, size
		default:
			format = e.Kind
		}
	}
	return format, size
}

// appendBinary appends the vector in array_send's format: one dimension from 1, elem being the
// element type's OID on the target.
func (v vector) appendBinary(dst []byte, elem uint32) []byte {
	nulls := len(dst) + 4
	dst = binary.BigEndian.AppendUint32(dst, 1) // dimensions
	dst = binary.BigEndian.AppendUint32(dst, 0) // has NULLs: set below
	dst = binary.BigEndian.AppendUint32(dst, elem)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.offs)))
	dst = binary.BigEndian.AppendUint32(dst, 1) // lower bound
	for _, o := range v.offs {
		e := &v.values[o+v.at]
		if e.Kind == 'n' {
			dst[nulls+3] = 1
		}
		dst = appendField(dst, e)
	}
	return dst
}

// appendField appends a value the way arrays and COPY carry it: length (-1 for NULL), bytes.
func appendField(dst []byte, e *pgoutput.Value) []byte {
	if e.Kind == 'n' {
		return append(dst, 0xff, 0xff, 0xff, 0xff)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(e.Data)))
	return append(dst, e.Data...)
}

// appendText appends the vector as an array literal of text values, every element quoted.
func (v vector) appendText(dst []byte, delimiter byte) []byte {
	dst = append(dst, '{')
	for n, o := range v.offs {
		if n > 0 {
			dst = append(dst, delimiter)
		}
		e := &v.values[o+v.at]
		if e.Kind == 'n' {
			dst = append(dst, "NULL"...)
			continue
		}
		dst = append(dst, '"')
		for _, c := range e.Data {
			if c == '"' || c == '\\' {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
		}
		dst = append(dst, '"')
	}
	return append(dst, '}')
}
