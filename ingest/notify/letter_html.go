package notify

import (
	"html"
	"strings"

	"tidegate/store"
)

// html is the message as a page: one column, styles in each element as mail
// programs want it. Without colours of its own for text and ground it follows
// the reader's dark mode; what is coloured is so in both.
func (s *story) html(picture bool, alt string) string {
	var b strings.Builder
	b.WriteString(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
		`<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"><title>`)
	b.WriteString(html.EscapeString(s.title()))
	b.WriteString(`</title></head><body style="margin:0;padding:16px;font:15px/1.45 -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"><div style="max-width:620px;margin:0 auto">`)
	for i := range s.said {
		if i >= maxTogether {
			break
		}
		s.card(&b, &s.said[i], picture && &s.said[i] == s.weighty, alt)
	}
	b.WriteString(`<p style="font-size:12px;opacity:.7;margin:16px 0 0">`)
	b.WriteString(html.EscapeString("Channel " + s.c.Name + " of " + s.weighty.OrgID + ", message " + s.m.id))
	b.WriteString("</p></div></body></html>\n")
	return b.String()
}

func (s *story) card(b *strings.Builder, n *store.Notification, picture bool, alt string) {
	color := colorOf(n)
	b.WriteString(`<div style="border-left:5px solid ` + color + `;padding:2px 0 2px 14px;margin:0 0 20px">`)
	b.WriteString(`<div style="display:inline-block;background:` + color + `;color:#ffffff;font-size:12px;font-weight:700;padding:2px 8px;border-radius:3px">` + html.EscapeString(word(n)) + `</div>`)
	b.WriteString(`<div style="font-size:18px;font-weight:600;margin:6px 0 2px">` + html.EscapeString(n.Event.DeviceID+" "+portTitle(&n.Event)) + `</div>`)
	if s.c.Text != "" {
		line(b, s.block(n))
	} else {
		line(b, n.Event.RuleName)
		if n.Event.Message != "" {
			line(b, n.Event.Message)
		}
		for _, f := range facts(n) {
			line(b, f)
		}
	}
	if picture {
		b.WriteString(`<img src="cid:curve.png" width="600" alt="` + html.EscapeString(alt) + `" style="max-width:100%;height:auto;border-radius:4px;margin:10px 0 4px">`)
	}
	if l := s.link(n); l != "" {
		b.WriteString(`<div style="margin:6px 0 0"><a href="` + html.EscapeString(l) + `" style="color:#3b82f6">Open in tidegate</a></div>`)
	}
	b.WriteString("</div>\n")
}

func line(b *strings.Builder, text string) {
	b.WriteString(`<div style="margin:2px 0">` + strings.ReplaceAll(html.EscapeString(text), "\n", "<br>") + `</div>`)
}

// colorOf is readable under white text, on light and on dark ground.
func colorOf(n *store.Notification) string {
	switch {
	case n.Cause == store.CauseResolved || n.Cause == store.CauseAcknowledged || !n.Event.Open():
		return "#15803d"
	case n.Event.Severity == store.SeverityCritical:
		return "#c62828"
	case n.Event.Severity == store.SeverityWarning:
		return "#b45309"
	}
	return "#1d6fb8"
}
