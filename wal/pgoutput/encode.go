package pgoutput

import (
	"encoding/binary"
	"time"
)

// AppendBegin appends the message that [Decode] reads as v.
func AppendBegin(dst []byte, v Begin) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, 'B'), uint64(v.FinalLSN))
	return binary.BigEndian.AppendUint32(appendTime(dst, v.Time), v.XID)
}

// AppendCommit appends the message that [Decode] reads as v.
func AppendCommit(dst []byte, v Commit) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, 'C', 0), uint64(v.CommitLSN))
	return appendTime(binary.BigEndian.AppendUint64(dst, uint64(v.EndLSN)), v.Time)
}

func appendTime(dst []byte, t time.Time) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(t.UnixMicro()-epoch))
}
