package chunker

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// The types by whose ranges a table may be cut: their binary form compares in the client exactly
// as the server compares the values, infinities included. OIDs are PostgreSQL's built-in ones.
const (
	oidInt8        = 20
	oidInt2        = 21
	oidInt4        = 23
	oidDate        = 1082
	oidTimestamp   = 1114
	oidTimestamptz = 1184
	oidUUID        = 2950
)

// Bound is one key value at which a table is cut.
type Bound struct {
	Text string `json:"text"` // for SQL
	Wire string `json:"wire"` // hex of the type's binary form, for comparing
}

// Ordered reports whether ranges of the type can be told apart in the client. text says that the
// change stream carries text: then only types with one plain spelling will do.
func Ordered(oid uint32, text bool) bool {
	switch oid {
	case oidInt2, oidInt4, oidInt8, oidUUID:
		return true
	case oidDate, oidTimestamp, oidTimestamptz:
		return !text
	}
	return false
}

// sortKey turns a value's binary form into a string whose byte order is the type's order.
func sortKey(oid uint32, wire []byte) (string, error) {
	want := map[uint32]int{oidInt2: 2, oidInt4: 4, oidInt8: 8, oidDate: 4, oidTimestamp: 8, oidTimestamptz: 8, oidUUID: 16}[oid]
	if want == 0 || len(wire) != want {
		return "", fmt.Errorf("key of type %d with %d bytes cannot be ordered", oid, len(wire))
	}
	b := []byte(string(wire))
	if oid != oidUUID {
		b[0] ^= 0x80 // two's complement: negative before positive
	}
	return string(b), nil
}

// wireForm turns the text form of an int or a uuid into its binary form.
func wireForm(oid uint32, text string) ([]byte, error) {
	switch oid {
	case oidInt2, oidInt4, oidInt8:
		bits := map[uint32]int{oidInt2: 16, oidInt4: 32, oidInt8: 64}[oid]
		v, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return nil, fmt.Errorf("key of type %d is no integer of %d bits", oid, bits)
		}
		b := binary.BigEndian.AppendUint64(nil, uint64(v))
		return b[8-bits/8:], nil
	case oidUUID:
		b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
		if err != nil || len(b) != 16 {
			return nil, fmt.Errorf("key is no uuid")
		}
		return b, nil
	}
	return nil, fmt.Errorf("key of type %d has no text order", oid)
}

// sendFunction names the server's function that gives a value's binary form.
func sendFunction(oid uint32) string {
	return map[uint32]string{
		oidInt2: "int2send", oidInt4: "int4send", oidInt8: "int8send", oidUUID: "uuid_send",
		oidDate: "date_send", oidTimestamp: "timestamp_send", oidTimestamptz: "timestamptz_send",
	}[oid]
}
