package changelog

import (
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"replicator/checksum/atrest"
	"replicator/wal"
)

// BenchmarkTransactions writes 10,000 transactions of five rows, a Sync every hundred.
func BenchmarkTransactions(b *testing.B) {
	for name, o := range map[string]Options{
		"plain": {}, "zstd": {Compress: true}, "zstd, key": {Compress: true, Key: atrest.New(secret)},
	} {
		b.Run(name, func(b *testing.B) {
			o.FS, o.Dir, o.Job = vfs.Default, filepath.Join(b.TempDir(), "log"), "bench"
			l := open(b, o)
			b.ReportAllocs()
			end := wal.LSN(1000)
			begun, row, ended := begin(0, 1), insert(1, benchRow), commit(0)
			for b.Loop() {
				for i := range 10_000 {
					end += 100
					setLSN(begun[1:], end)
					setLSN(ended[10:], end)
					check(b, l.Append(b.Context(), end, begun))
					for range 5 {
						check(b, l.Append(b.Context(), end, row))
					}
					check(b, l.Append(b.Context(), end, ended))
					if i%100 == 99 {
						_, err := l.Sync()
						check(b, err)
						check(b, l.TrimBefore(end))
					}
				}
			}
			b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "tx/s")
			check(b, l.Close())
		})
	}
}

const benchRow = "\x00\x05t\x00\x00\x00\x0812345678t\x00\x00\x00\x20a note about a patient, 32 bytes.t\x00\x00\x00\x142026-11-23 02:48:00.1"

func setLSN(b []byte, lsn wal.LSN) {
	for i := range 8 {
		b[i] = byte(lsn >> (56 - 8*i))
	}
}
