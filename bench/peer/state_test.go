package peer

import (
	"strings"
	"testing"
)

func TestDiffers(t *testing.T) {
	t.Parallel()
	want := State{Rows: map[string]string{"a": "1 rows, hash 5", "b": "0 rows, hash "}, Indexes: "3", Constraints: "2"}
	for _, tt := range []struct {
		name string
		got  State
		bare bool
		says string
	}{
		{"equal", want, false, ""},
		{"other rows", State{map[string]string{"a": "1 rows, hash 6", "b": "0 rows, hash "}, "3", "2"}, true, "a: "},
		{"no table", State{map[string]string{"a": "1 rows, hash 5"}, "3", "2"}, true, "b: "},
		{"one table more", State{map[string]string{"a": "1 rows, hash 5", "b": "0 rows, hash ", "c": ""}, "3", "2"}, true, "3 tables"},
		{"no index", State{want.Rows, "2", "2"}, false, "2 indexes"},
		{"no constraint", State{want.Rows, "3", "0"}, false, "0 constraints"},
		{"bare", State{want.Rows, "0", "0"}, true, ""},
	} {
		err := want.Differs(tt.got, tt.bare)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
