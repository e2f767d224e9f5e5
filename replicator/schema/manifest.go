package schema

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// ManifestVersion is that of the manifest's JSON shape. It changes when a field changes its meaning or
// goes away, not when one is added.
const ManifestVersion = 1

// Manifest lists everything of the source database that the target will not have, or not as the source
// has it. It is the one place for that: check shows it, seed begins only when its losses are
// acknowledged, the catch-up makes it again and refuses what is new, and the report holds it.
//
// It names objects and holds no values: no setting, no default, no row.
type Manifest struct {
	Version int       `json:"version"`
	Made    time.Time `json:"made"`
	// Digest names the losses as they are now: who acknowledges it has read these and no others. It is
	// "" where nothing is lost.
	Digest string `json:"digest,omitempty"`
	Items  []Item `json:"items"` // the losses first
}

// Item is one thing of the source. A loss is something that people count on and that they must replace
// by hand, or do without. What is no loss is only told: it belongs to other systems, or is made anew
// from what moves.
type Item struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Why  string `json:"why"`
	Do   string `json:"do,omitempty"`
	Loss bool   `json:"loss"`
}

// String is the item in a line.
func (i Item) String() string {
	s := i.Kind + " " + i.Name + ": " + i.Why
	if i.Do != "" {
		s += " (" + i.Do + ")"
	}
	return s
}

// newManifest orders items, which may come twice, and names their losses.
func newManifest(items []Item) *Manifest {
	order := func(a, b Item) int {
		loss := func(i Item) int {
			if i.Loss {
				return 0
			}
			return 1
		}
		return cmp.Or(loss(a)-loss(b), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Why, b.Why))
	}
	slices.SortFunc(items, order)
	items = slices.CompactFunc(items, func(a, b Item) bool { return order(a, b) == 0 })
	m := &Manifest{Version: ManifestVersion, Made: time.Now().UTC(), Items: items}
	m.Digest = digestOf(m.Losses())
	return m
}

// With is the manifest with more items.
func (m *Manifest) With(more ...Item) *Manifest {
	return newManifest(append(slices.Clone(m.Items), more...))
}

// Losses are the items that must be acknowledged.
func (m *Manifest) Losses() []Item {
	n := slices.IndexFunc(m.Items, func(i Item) bool { return !i.Loss })
	if n < 0 {
		n = len(m.Items)
	}
	return m.Items[:n]
}

// Notes are the others.
func (m *Manifest) Notes() []Item { return m.Items[len(m.Losses()):] }

// Beyond are the losses of m that an earlier manifest does not name.
func (m *Manifest) Beyond(earlier *Manifest) []Item {
	known := map[string]bool{}
	for _, i := range earlier.Losses() {
		known[i.key()] = true
	}
	var fresh []Item
	for _, i := range m.Losses() {
		if !known[i.key()] {
			fresh = append(fresh, i)
		}
	}
	return fresh
}

// AcknowledgeAll acknowledges whatever a manifest names.
const AcknowledgeAll = "all"

// Acknowledged reports whether the operator's word covers the losses.
func (m *Manifest) Acknowledged(word string) bool {
	return m.Digest == "" || word == AcknowledgeAll || word == m.Digest
}

// key is what an item is about. What is to be done may be worded anew.
func (i Item) key() string { return i.Kind + "\x00" + i.Name + "\x00" + i.Why }

// digestLength is short enough to be typed and long enough that another manifest has another one.
const digestLength = 12

func digestOf(losses []Item) string {
	if len(losses) == 0 {
		return ""
	}
	h := sha256.New()
	for _, i := range losses {
		io.WriteString(h, i.key()+"\x01")
	}
	return hex.EncodeToString(h.Sum(nil))[:digestLength]
}

// WriteJSON writes the manifest, indented.
func (m *Manifest) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(m)
}

// Few names some items and counts the rest.
func Few(items []Item) string {
	const most = 10
	var b strings.Builder
	for i, item := range items {
		if i == most {
			fmt.Fprintf(&b, "; and %d more", len(items)-most)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(item.Kind + " " + item.Name)
	}
	return b.String()
}
