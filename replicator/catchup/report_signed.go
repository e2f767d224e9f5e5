package catchup

import (
	"bytes"
	"fmt"
	"io"

	"replicator/replicator/sign"
)

// Document is one rendering of a report, as it is written to a file, and its signature. Who signs also
// renders, and hands on these bytes: another version of this program may render the same report
// otherwise, which the signature would not fit.
type Document struct {
	Extension string `json:"extension"` // of the file's name: json, html
	Text      []byte `json:"text"`
	Signature []byte `json:"signature,omitempty"` // what FILE.minisig holds; empty: not signed
}

// Render gives the report's documents, unsigned.
func (r *Report) Render() ([]Document, error) {
	var list []Document
	for _, d := range []struct {
		extension string
		write     func(io.Writer) error
	}{{"json", r.WriteJSON}, {"html", r.WriteHTML}} {
		var b bytes.Buffer
		if err := d.write(&b); err != nil {
			return nil, fmt.Errorf("render the report as %s: %w", d.extension, err)
		}
		list = append(list, Document{Extension: d.extension, Text: b.Bytes()})
	}
	return list, nil
}

// Sign renders the report and signs what it rendered: see Documents. The report then names the key that
// signed it; what was signed before is replaced.
func (r *Report) Sign(key sign.Key) error {
	r.PublicKey = key.Public().String()
	list, err := r.Render()
	if err != nil {
		return err
	}
	for i, d := range list {
		if list[i].Signature, err = key.Sign(bytes.NewReader(d.Text), r.statement()); err != nil {
			return fmt.Errorf("sign the report: %w", err)
		}
	}
	r.Documents = list
	return nil
}

// statement is what is signed beside the report's text. A rehearsal has a marker, but no fence.
func (r *Report) statement() sign.Statement {
	s := sign.Statement{Job: r.Job, Outcome: string(r.Outcome), Time: r.Finished, Operator: r.Operator.String()}
	if !r.Rehearsal {
		s.Fence = r.FenceLSN
	}
	return s
}

// Operator is who ran the catch-up, as the operating system knows them.
type Operator struct {
	User string `json:"user"`
	Sudo string `json:"sudo,omitempty"` // who became User by sudo, as sudo tells it
	Host string `json:"host"`
}

// String is the operator in a line.
func (o Operator) String() string {
	if o.User == "" {
		return "not told"
	}
	if o.Sudo != "" {
		return fmt.Sprintf("%s@%s (sudo by %s)", o.User, o.Host, o.Sudo)
	}
	return o.User + "@" + o.Host
}
