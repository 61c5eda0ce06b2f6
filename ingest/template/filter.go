package template

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Filter makes a text fit for a place.
type Filter func(string) string

var filters = map[string]Filter{
	"json": escapeJSON,
	"url":  escapeURL,
	"html": escapeHTML,
	"line": oneLine,
}

// FilterNames are the names of all filters, in order.
func FilterNames() []string { return slices.Sorted(maps.Keys(filters)) }

const hex = "0123456789abcdef"

// escapeJSON is for between the quotes of a JSON string. It also escapes what
// would end a script or a line of JavaScript; bytes that are no UTF-8 become
// U+FFFD.
func escapeJSON(s string) string {
	b := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r < 0x20 || r == 0x7f || r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029':
			b = append(b, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
		i += n
	}
	return string(b)
}

// escapeURL is for a part of an address, before or behind its question mark.
func escapeURL(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// escapeHTML is for text and for quoted attributes.
func escapeHTML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(s)
}

// oneLine makes a space of each run of white space and control characters, as is
// needed for a subject or a header.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f && r <= 0xa0 || r == '\u2028' || r == '\u2029'
	}), " ")
}
