package column

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// random is a source of numbers; its seed is printed and replayed from REPLICATOR_SEED.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("REPLICATOR_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("REPLICATOR_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// row is the values of a tuple, nil for NULL.
type row [][]byte

var copyTrailer = []byte{0xff, 0xff}

// header is that of COPY, with an extension of n bytes.
func header(n int) []byte {
	b := append([]byte(nil), copySignature...)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	return append(b, make([]byte, n)...)
}

func appendRow(b []byte, r row) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(r)))
	for _, v := range r {
		if v == nil {
			b = binary.BigEndian.AppendUint32(b, ^uint32(0))
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
	}
	return b
}

func tuples(rows ...row) (b []byte) {
	for _, r := range rows {
		b = appendRow(b, r)
	}
	return b
}

func number(size int, v uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, v)[8-size:]
}

// numeric is v/1000 as numeric_send gives it.
func numeric(v int) []byte {
	b := binary.BigEndian.AppendUint16(nil, 2)
	b = append(b, 0, 0, 0, 0, 0, 3)
	b = binary.BigEndian.AppendUint16(b, uint16(v/1000))
	return binary.BigEndian.AppendUint16(b, uint16(v%1000*10))
}

var (
	tests = []string{"haemoglobin", "potassium", "sodium", "creatinine", "lactate", "glucose", "pH", "troponin"}
	units = []string{"g/dl", "mmol/l", "mg/dl", "ng/l"}
	drugs = []string{"mg", "ml", "IU"}
)

// observations are n rows of laboratory results from row first on, in the order of time.
func observations(rng *rand.Rand, first, n int) (b []byte) {
	for i := first; i < first+n; i++ {
		encounter := i / 27
		test := rng.IntN(len(tests))
		value := numeric(rng.IntN(200_000))
		if rng.IntN(50) == 0 {
			value = nil
		}
		b = appendRow(b, row{
			number(8, uint64(5*i)), number(8, uint64(encounter*7919%60_000)), number(8, uint64(encounter)),
			[]byte(tests[test]), value, []byte(units[test%len(units)]), {byte(rng.IntN(10) / 9)},
			number(8, uint64(800_000_000_000_000+15_090_000_000*i)),
		})
	}
	return b
}

// audit are n rows without a key, of text above all.
func audit(rng *rand.Rand, n int) (b []byte) {
	for i := range n {
		b = appendRow(b, row{
			number(8, uint64(800_000_000_000_000+120_000_000*i)), fmt.Appendf(nil, "nurse-%d", rng.IntN(2000)),
			[]byte(tests[rng.IntN(3)]), number(8, uint64(rng.IntN(60_000))),
			fmt.Appendf(nil, `{"bed": %q, "number": %d}`, drugs[rng.IntN(3)], rng.IntN(1000)),
		})
	}
	return b
}

// makers make one column's values each, of every kind that a way looks at.
var makers = map[string]func(rng *rand.Rand, i int) []byte{
	"null":       func(*rand.Rand, int) []byte { return nil },
	"empty":      func(*rand.Rand, int) []byte { return []byte{} },
	"constant":   func(*rand.Rand, int) []byte { return []byte("the same") },
	"bool":       func(rng *rand.Rand, _ int) []byte { return []byte{byte(rng.IntN(2))} },
	"int2":       func(rng *rand.Rand, _ int) []byte { return number(2, rng.Uint64()) },
	"int4":       func(rng *rand.Rand, _ int) []byte { return number(4, rng.Uint64()) },
	"int8":       func(rng *rand.Rand, _ int) []byte { return number(8, rng.Uint64()) },
	"serial":     func(_ *rand.Rand, i int) []byte { return number(8, uint64(i)) },
	"steps down": func(_ *rand.Rand, i int) []byte { return number(4, uint64(-3*i)) },
	"three":      func(rng *rand.Rand, i int) []byte { return number(3, uint64(i)) },
	"uuid":       func(rng *rand.Rand, _ int) []byte { return append(number(8, rng.Uint64()), number(8, rng.Uint64())...) },
	"numeric":    func(rng *rand.Rand, _ int) []byte { return numeric(rng.IntN(200_000))[:8+2*rng.IntN(3)] },
	"few":        func(rng *rand.Rand, _ int) []byte { return []byte(tests[rng.IntN(len(tests))]) },
	"many":       func(rng *rand.Rand, _ int) []byte { return fmt.Append(nil, "value ", rng.IntN(400)) },
	"text":       func(rng *rand.Rand, _ int) []byte { return make([]byte, rng.IntN(100)) },
	"long":       func(rng *rand.Rand, _ int) []byte { return noise(rng, rng.IntN(700)) },
	"64 bytes":   func(rng *rand.Rand, _ int) []byte { return noise(rng, rng.IntN(65)) },
	"huge": func(rng *rand.Rand, i int) []byte {
		if i%50 != 7 {
			return []byte{1}
		}
		return noise(rng, 70_000)
	},
}

func noise(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}
