package column

import (
	"bytes"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
)

// goldenBlock has every way, and every form of stream but the widest lengths.
func goldenBlock() ([]byte, *Layout) {
	long := bytes.Repeat([]byte("long "), 60)
	rows := []row{
		{number(8, 5), number(4, 9), nil, []byte("red"), {}, {1, 2, 3}, numeric(1500), []byte("a"), number(2, 7), nil},
		{number(8, 10), nil, nil, []byte("green"), {}, {1, 2, 4}, nil, long, number(2, 6), {}},
		{number(8, 15), number(4, 7), nil, []byte("red"), {}, {1, 3, 3}, numeric(20)[:10], nil, number(2, 9), {}},
	}
	return slices.Concat(header(2), tuples(rows...), copyTrailer),
		layoutOf(delta, delta, plain, dictionary, dictionary, planes, planes, plain, delta, planes)
}

// TestGolden holds the layout: a change of it needs a new version, and a decoder that knows both.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile("testdata/v1.hex")
	if err != nil {
		t.Fatal(err)
	}
	golden, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(err)
	}
	raw, l := goldenBlock()
	if out, ok := NewEncoder().Encode(nil, raw, l); !ok || !bytes.Equal(out, golden) {
		t.Errorf("the block is now\n%x", out)
	}
	back, err := NewDecoder().Decode(nil, golden, len(raw))
	if err != nil || !bytes.Equal(back, raw) {
		t.Errorf("the golden bytes are another block: %v", err)
	}
}
