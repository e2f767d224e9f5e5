package pgoutput

import (
	"bytes"
	"testing"
)

// TestAppendSpelled spells one column of every tuple that a message has.
func TestAppendSpelled(t *testing.T) {
	row := func(mark byte, values ...string) []byte {
		b := []byte{mark, 0, byte(len(values))}
		for _, v := range values {
			if b = append(b, v[0]); len(v) > 1 {
				b = append(append(b, 0, 0, 0, byte(len(v)-1)), v[1:]...)
			}
		}
		return b
	}
	message := func(kind byte, rows ...[]byte) []byte {
		return append([]byte{kind, 0, 0, 0, 7}, bytes.Join(rows, nil)...)
	}
	spell := func(column int, value []byte) (string, bool, error) {
		return "<" + string(value) + ">", column == 1, nil
	}
	for _, tt := range []struct{ from, to []byte }{
		{message('I', row('N', "ba", "bb", "bc")), message('I', row('N', "ba", "t<b>", "bc"))},
		{message('U', row('O', "ba", "bb"), row('N', "u", "bc")), message('U', row('O', "ba", "t<b>"), row('N', "u", "t<c>"))},
		{message('D', row('K', "ba", "n")), message('D', row('K', "ba", "n"))},
		{message('I', row('N', "ta", "tb")), message('I', row('N', "ta", "tb"))},
	} {
		got, err := AppendSpelled(nil, tt.from, spell)
		if err != nil || !bytes.Equal(got, tt.to) {
			t.Errorf("%q: %q, %v", tt.from, got, err)
		}
	}
	if _, err := AppendSpelled(nil, []byte("B"), spell); err == nil {
		t.Error("a Begin was taken")
	}
}

// FuzzAppendSpelled: where nothing is spelled a message stays as it is, whatever it is.
func FuzzAppendSpelled(f *testing.F) {
	f.Add([]byte("U\x00\x00\x00\x07O\x00\x02nuN\x00\x01b\x00\x00\x00\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := AppendSpelled(nil, b, func(int, []byte) (string, bool, error) { return "", false, nil })
		if err == nil && !bytes.Equal(got, b) {
			t.Errorf("%q became %q", b, got)
		}
	})
}
