package pgoutput_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"replicator/wal"
	"replicator/wal/pgoutput"
)

// transcriber tells messages in words and checks what it leaves out.
type transcriber struct {
	t         *testing.T
	out       strings.Builder
	relations map[uint32]*pgoutput.Relation
	types     map[uint32]string
	begin     pgoutput.Begin
	last      wal.LSN // end of the last commit

	atBegin, afterBegin int // in out
}

func transcribe(t *testing.T, msgs []message) string {
	t.Helper()
	tr := transcriber{t: t, relations: map[uint32]*pgoutput.Relation{}, types: map[uint32]string{}}
	var m pgoutput.Message
	for i, raw := range msgs {
		if err := pgoutput.Decode(raw.data, &m); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if m.Kind != pgoutput.Kind(raw.data) {
			t.Fatalf("message %d: kind %q, peeked %q", i, m.Kind, pgoutput.Kind(raw.data))
		}
		tr.message(&m, raw)
	}
	return tr.out.String()
}

func (tr *transcriber) say(format string, args ...any) { fmt.Fprintf(&tr.out, format+"\n", args...) }

func (tr *transcriber) message(m *pgoutput.Message, raw message) {
	switch m.Kind {
	case 'B':
		tr.checkBegin(m.Begin, raw.data)
		tr.atBegin = tr.out.Len()
		tr.say("begin")
		tr.afterBegin = tr.out.Len()
	case 'C':
		tr.checkCommit(m.Commit, raw.data)
		tr.commit()
	case 'O':
		tr.say("origin %q %s", m.Origin.Name, m.Origin.LSN)
	case 'Y':
		tr.types[m.Type.ID] = m.Type.Schema + "." + m.Type.Name
		tr.say("type %s.%s", m.Type.Schema, m.Type.Name)
	case 'R':
		tr.relation(m.Relation)
	case 'I', 'U', 'D':
		tr.row(m, raw.data)
	case 'T':
		var names []string
		for _, id := range m.Relations {
			names = append(names, tr.name(id))
		}
		tr.say("truncate %s cascade=%v restart=%v", strings.Join(names, ", "), m.Cascade, m.RestartIdentity)
	case 'M':
		if m.LSN != raw.lsn {
			tr.t.Errorf("logical message at %s came with %s", m.LSN, raw.lsn)
		}
		tr.say("message transactional=%v %q %q", m.Transactional, m.Prefix, m.Content)
	default:
		tr.t.Fatalf("unexpected kind %q", m.Kind)
	}
}

func (tr *transcriber) checkBegin(b pgoutput.Begin, raw []byte) {
	if final, ok := pgoutput.BeginFinal(raw); !ok || final != b.FinalLSN {
		tr.t.Errorf("peeked %s, decoded %s", final, b.FinalLSN)
	}
	if b.FinalLSN < tr.last || b.XID < 3 || b.Time.Before(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) || b.Time.Year() > 2100 {
		tr.t.Errorf("begin %+v after %s", b, tr.last)
	}
	tr.begin = b
}

func (tr *transcriber) checkCommit(c pgoutput.Commit, raw []byte) {
	if end, ok := pgoutput.CommitEnd(raw); !ok || end != c.EndLSN {
		tr.t.Errorf("peeked %s, decoded %s", end, c.EndLSN)
	}
	if c.CommitLSN != tr.begin.FinalLSN || c.EndLSN <= c.CommitLSN || !c.Time.Equal(tr.begin.Time) {
		tr.t.Errorf("commit %+v of begin %+v", c, tr.begin)
	}
	tr.last = c.EndLSN
}

// commit leaves an empty transaction out: 14 sends those of which nothing is published, 15 does not.
func (tr *transcriber) commit() {
	if tr.out.Len() > tr.afterBegin {
		tr.say("commit")
		return
	}
	kept := tr.out.String()[:tr.atBegin]
	tr.out.Reset()
	tr.out.WriteString(kept)
}

func (tr *transcriber) relation(r *pgoutput.Relation) {
	tr.relations[r.ID] = r
	tr.say("relation %s.%s identity %c", r.Schema, r.Name, r.Identity)
	for _, c := range r.Columns {
		key := "   "
		if c.Key {
			key = "key"
		}
		tr.say("  %s %s %s %d", key, c.Name, tr.typeName(c.Type), c.Modifier)
	}
}

// typeName is the OID of a built-in type, the name of any other.
func (tr *transcriber) typeName(id uint32) string {
	if name, ok := tr.types[id]; ok {
		return name
	}
	if id >= 16384 {
		tr.t.Errorf("type %d was not named before", id)
	}
	return fmt.Sprint(id)
}

func (tr *transcriber) row(m *pgoutput.Message, raw []byte) {
	if id, ok := pgoutput.RelationID(raw); !ok || id != m.RelationID {
		tr.t.Errorf("peeked relation %d, decoded %d", id, m.RelationID)
	}
	what := map[byte]string{'I': "insert", 'U': "update", 'D': "delete"}[m.Kind]
	tr.say("%s %s", what, tr.name(m.RelationID))
	if m.OldKind != 0 {
		tr.tuple(fmt.Sprintf("old %c", m.OldKind), m.RelationID, m.Old)
	}
	if m.Kind != 'D' {
		tr.tuple("new", m.RelationID, m.New)
	}
}

func (tr *transcriber) tuple(label string, id uint32, values []pgoutput.Value) {
	r := tr.relations[id]
	if len(values) != len(r.Columns) {
		tr.t.Fatalf("%d values for %d columns of %s", len(values), len(r.Columns), r.Name)
	}
	tr.say("  %s", label)
	for i, v := range values {
		tr.say("    %s %s", r.Columns[i].Name, show(v))
	}
}

func (tr *transcriber) name(id uint32) string {
	r := tr.relations[id]
	if r == nil {
		tr.t.Fatalf("relation %d was not described before", id)
	}
	return r.Schema + "." + r.Name
}

func show(v pgoutput.Value) string {
	const most = 64
	switch {
	case v.Kind == pgoutput.Null || v.Kind == pgoutput.Unchanged:
		return string(v.Kind)
	case len(v.Data) > most:
		return fmt.Sprintf("%c %d bytes %x...", v.Kind, len(v.Data), v.Data[:8])
	case v.Kind == pgoutput.Text:
		return fmt.Sprintf("t %q", v.Data)
	}
	return fmt.Sprintf("b %x", v.Data)
}
