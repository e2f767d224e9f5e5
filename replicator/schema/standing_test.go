package schema

import (
	"slices"
	"testing"
)

func TestUnlike(t *testing.T) {
	source := []Definition{
		{Kind: "table", Name: "ward", Text: "t"}, {Kind: "column", On: "ward", Name: "ward.id", Text: "int"}, {Kind: "column", On: "ward", Name: "ward.bed", Text: "int"},
		{Kind: "column", On: "new", Name: "new.id", Text: "int"}, {Kind: "index", Name: "ward_bed", Text: "i"}, {Kind: "view", Name: "v", Text: "of 14"},
	}
	for name, c := range map[string]struct {
		target []Definition
		same   bool
		want   []string
	}{
		"nothing there":     {nil, true, nil},
		"equal":             {source, true, nil},
		"column of another": {[]Definition{{Kind: "table", Name: "ward", Text: "t"}, {Kind: "column", On: "ward", Name: "ward.id", Text: "text"}}, true, []string{"column ward.bed is missing on the target", "column ward.id differs"}},
		"more of it":        {[]Definition{{Kind: "constraint", Name: "ward.c", Rules: true}, {Kind: "index", Name: "ward_fast"}}, true, []string{"constraint ward.c is on the target only"}},
		"view spelled anew": {[]Definition{{Kind: "view", Name: "v", Text: "of 18"}}, false, nil},
		"view that differs": {[]Definition{{Kind: "view", Name: "v", Text: "of 18"}}, true, []string{"view v differs"}},
	} {
		if got := Unlike(source, c.target, c.same); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := Firing([]Definition{{Kind: "trigger", Name: "a"}, {Kind: "firing trigger", Name: "b"}}); !slices.Equal(got, []string{"trigger b"}) {
		t.Errorf("firing: %q", got)
	}
}
