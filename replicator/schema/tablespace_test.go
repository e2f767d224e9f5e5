package schema

import "testing"

func TestTablespaces(t *testing.T) {
	var m Tablespaces
	if err := m.Set("fast=ssd,slow="); err != nil || m.String() != "fast=ssd,slow=" {
		t.Fatalf("%v, %q", err, m.String())
	}
	for _, bad := range []string{"fast", "=ssd", ""} {
		if err := new(Tablespaces).Set(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	shared := map[string]string{setTablespace: "fast", setAccessMethod: "heap"}
	entries := []Entry{{Settings: shared}, {Settings: map[string]string{setTablespace: "slow"}}, {Settings: map[string]string{setTablespace: "other"}}, {}}
	m.Place(entries)
	for i, want := range []string{"ssd", "", "other", ""} {
		if have := entries[i].Settings[setTablespace]; have != want {
			t.Errorf("entry %d lies in %q, want %q", i, have, want)
		}
	}
	if shared[setTablespace] != "fast" || entries[0].Settings[setAccessMethod] != "heap" {
		t.Error("settings that entries share were changed")
	}
	if items := m.Items(); len(items) != 2 || items[0].Loss {
		t.Errorf("items %v", items)
	}
}
