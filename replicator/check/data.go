package check

import (
	"context"
	"fmt"
	"slices"

	"replicator/chunker"
	"replicator/replicator/pg"
)

// types: what binary COPY cannot carry.
func (r *run) types(context.Context) error {
	var text []string
	stream := false
	for i := range r.tables {
		t := &r.tables[i]
		if t.Text {
			text = append(text, t.String())
			stream = stream || !t.Late()
		}
	}
	if len(text) == 0 {
		r.ok("text-format", Source, "types", "binary COPY carries every column")
	} else {
		f := Finding{ID: "text-format", Level: Note, Side: Source, Subject: "types", Names: text,
			Text: fmt.Sprintf("%s with columns that binary COPY cannot carry, moved as text: %s", count(len(text), "table"), few(text))}
		if stream {
			f.Text += "; all changes are streamed as text, too, which is slower"
		}
		r.add(f)
	}
	return nil
}

// money: what amounts of that type mean lies in a setting.
func (r *run) money(context.Context) error {
	var money []string
	for i := range r.tables {
		if slices.ContainsFunc(r.tables[i].Columns, func(c chunker.Column) bool { return c.Type == "money" || c.Type == "money[]" }) {
			money = append(money, r.tables[i].String())
		}
	}
	if from, to := r.src.settings["lc_monetary"], r.dst.settings["lc_monetary"]; len(money) > 0 && from != to {
		r.add(Finding{ID: "money", Level: Must, Side: Target, Subject: "lc_monetary", Names: money,
			Text: fmt.Sprintf("is %s on the source and %s on the target, and amounts of type money may change: %s", from, to, few(money)),
			SQL:  lines(fmt.Sprintf("ALTER DATABASE %s SET lc_monetary = %s", r.dst.database(), pg.Literal(from)))})
	}
	return nil
}
