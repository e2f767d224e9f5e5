package replicator

import (
	"fmt"
	"testing"
	"time"

	"replicator/replicator/status"
	"replicator/replicator/target"
)

var nineteen = time.Date(2026, 11, 22, 19, 0, 0, 0, time.UTC)

// TestRemember looks three times: sessions of one application are one stranger, who has gone is
// remembered, and news are told once.
func TestRemember(t *testing.T) {
	at := func(s int) time.Time { return nineteen.Add(time.Duration(s) * time.Second) }
	emr := target.Stranger{Application: "emr", Role: "ward", Kind: "client backend", Since: at(-60), Guarded: true}
	older := emr
	older.Since, older.Guarded, older.Writing = at(-600), false, true
	list, news := remember(nil, []target.Stranger{emr}, at(0))
	if len(list) != 1 || len(news) != 1 {
		t.Fatalf("first look: %+v, news %+v", list, news)
	}
	list, news = remember(list, []target.Stranger{emr, older, older}, at(5))
	want := status.Stranger{Application: "emr", Role: "ward", Kind: "client backend", First: at(0), Last: at(5), Sessions: 3,
		Since: at(-600), Unguarded: 2, Looks: 2, Writing: 1, Wrote: at(5)}
	if len(list) != 1 || list[0] != want || len(news) != 1 {
		t.Fatalf("second look: %+v, news %+v\nwant %+v", list, news, want)
	}
	list, news = remember(list, nil, at(10))
	want.Sessions, want.Unguarded, want.Since = 0, 0, time.Time{}
	if len(list) != 1 || list[0] != want || len(news) != 0 {
		t.Errorf("third look: %+v, news %+v\nwant %+v", list, news, want)
	}
}

// TestRememberIsBounded has more strangers than are remembered: who wrote stays.
func TestRememberIsBounded(t *testing.T) {
	list, _ := remember(nil, []target.Stranger{{Application: "writer", Writing: true}}, nineteen)
	for i := range 3 * mostStrangers {
		list, _ = remember(list, []target.Stranger{{Application: fmt.Sprint(i)}}, nineteen.Add(time.Duration(i+1)*time.Second))
	}
	if len(list) != mostStrangers || list[0].Application != "writer" || list[len(list)-1].Application != fmt.Sprint(3*mostStrangers-1) {
		t.Errorf("%d remembered, the first %q, the last %q", len(list), list[0].Application, list[len(list)-1].Application)
	}
}
