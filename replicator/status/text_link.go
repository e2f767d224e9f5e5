package status

import (
	"fmt"
	"time"
)

// certificateSoon is from when a certificate's end is worth a line: a window is planned days ahead.
const certificateSoon = 14 * 24 * time.Hour

// link shows the way to another site.
func (p *page) link(s Status) {
	l := s.Link
	if l == nil || !s.Running {
		return
	}
	if !l.Connected {
		p.line("link", "%s", p.red(fmt.Sprintf("down since %s (%s): %s", Time(l.Since), Seconds(max(0, s.At.Sub(l.Since).Seconds())), Printable(l.LastError))))
		return
	}
	p.line("link", "%s, round trip %s, %s", Printable(l.Peer), millis(l.RoundTrip), plural(l.Streams, "stream", "streams"))
	p.line("", "%s", flow(l))
	p.line("", "held up by %s", Printable(l.Bottleneck))
	if l.Resent > 0 || l.Damaged > 0 || l.Connections > 1 {
		p.line("", "%s sent again, %s damaged on the way, connected %s", frames(l.Resent), Count(l.Damaged), times(l.Connections))
	}
	p.certificate(s.At, "target", l.CertificateEnds)
	p.certificate(s.At, "source", l.OwnCertificateEnds)
}

// certificate warns of one that ends soon.
func (p *page) certificate(now time.Time, end string, until time.Time) {
	if !until.IsZero() && until.Sub(now) < certificateSoon {
		p.line("alarm", "%s", p.red("the "+end+" end's certificate ends "+Time(until)))
	}
}

// flow is what goes over the wire and what it carries.
func flow(l *Link) string {
	text := fmt.Sprintf("%s/s on the wire", Size(l.WireRate))
	if l.Ratio > 0 {
		text += fmt.Sprintf(" for %s/s of rows and changes, 1:%.1f, compression %s", Size(l.RawRate), l.Ratio, l.Level)
	}
	if l.MaxRate > 0 {
		text += fmt.Sprintf("; capped at %s/s", Size(float64(l.MaxRate)))
	}
	return text
}

func millis(seconds float64) string { return fmt.Sprintf("%.1f ms", 1000*seconds) }

func frames(n int64) string { return plural(int(n), "frame", "frames") }

func times(n int64) string { return plural(int(n), "time", "times") }
