package ingest

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// What can be wrong with a JSON document, as people read it.
const (
	faultValue   = "expected a value"
	faultKey     = "expected a key in double quotes"
	faultColon   = "expected : behind the key"
	faultMember  = "expected , or } behind the value"
	faultElement = "expected , or ] behind the value"
	faultQuote   = "the closing quote is missing"
	faultEscape  = `expected an escape such as \n or \u00e9 behind the backslash`
	faultControl = "control characters must be escaped in a string"
	faultDigit   = "expected a digit"
	faultZero    = "a number must not begin with 0"
	faultTail    = "expected nothing behind the document"
	faultDepth   = "nested too deeply (at most 256 levels)"
)

// expectedMessage is the shape that every detail about a missing part shows.
const expectedMessage = `expected {"ts":"2025-09-06T12:00:00Z","readings":[{"port":1,"value":230.5}]}`

// describe says in one line where the document goes wrong, and the likely
// cause.
func (p *payload) describe() string {
	switch {
	case len(bytes.TrimSpace(p.b)) == 0:
		return "the payload is empty; " + expectedMessage
	case bytes.HasPrefix(p.b, []byte("\ufeff")):
		return "the payload begins with a byte order mark; send UTF-8 without it"
	case p.i >= len(p.b):
		return fmt.Sprintf("not JSON: the payload ends early, after %d bytes: %s", len(p.b), p.fault)
	}
	s := fmt.Sprintf("not JSON at offset %d: %s, found %s", p.i, p.fault, excerpt(p.b[p.i:]))
	if hint := p.hint(); hint != "" {
		s += "; " + hint
	}
	return s
}

// hint answers the likely cause of the fault, or nothing.
func (p *payload) hint() string {
	rest := p.b[p.i:]
	c := rest[0]
	word := rest[:wordLength(rest)]
	switch {
	case p.fault == faultValue || p.fault == faultDigit:
		switch {
		case bytes.EqualFold(word, []byte("nan")), bytes.EqualFold(word, []byte("inf")), bytes.EqualFold(word, []byte("infinity")):
			return "NaN and Infinity are not JSON: send null, or leave the reading out"
		case bytes.EqualFold(word, []byte("true")), bytes.EqualFold(word, []byte("false")), bytes.EqualFold(word, []byte("none")):
			return "write true, false and null in lower case"
		case c == '\'':
			return "strings stand in double quotes, not single ones"
		case p.fault == faultValue && (c == ']' || c == '}'):
			return "a value is missing, or there is a comma too many"
		case c == '+' || c == '.':
			return "a number begins with a digit or a minus"
		case p.fault == faultValue && len(word) > 0:
			return "strings stand in double quotes; a shell may have eaten them: put the payload in single quotes"
		}
	case p.fault == faultKey && c == '}':
		return "there is a comma too many"
	case p.fault == faultKey && c == '\'':
		return "keys stand in double quotes, not single ones"
	case p.fault == faultKey && isDigit(c):
		return "the decimals of a number stand behind a point, not a comma"
	case p.fault == faultKey && len(word) > 0:
		return "a shell may have eaten the quotes: put the payload in single quotes"
	case p.fault == faultMember || p.fault == faultElement:
		if isDigit(c) || c == ',' {
			return ""
		}
		if p.i > 0 && isDigit(p.b[p.i-1]) && (len(word) > 0 || c == '.') {
			return "a number has digits, one point and perhaps an exponent; its unit belongs to the port"
		}
	case p.fault == faultZero:
		return "leave the leading 0 out"
	}
	return ""
}

func wordLength(b []byte) int {
	for i, c := range b {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return i
		}
	}
	return len(b)
}

// excerptBytes bounds what a detail repeats of a payload.
const excerptBytes = 40

// excerpt answers the beginning of b, fit to stand in one line of a log or a
// terminal: whatever does not print is escaped.
func excerpt(b []byte) string {
	b, more := beginning(b)
	out := make([]byte, 0, len(b)+3)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\x%02x`, b[0])
		case strconv.IsPrint(r):
			out = append(out, b[:n]...)
		default:
			q := strconv.AppendQuoteRune(nil, r)
			out = append(out, q[1:len(q)-1]...)
		}
		b = b[n:]
	}
	if more {
		out = append(out, "…"...)
	}
	return string(out)
}

// quote is excerpt in double quotes.
func quote(b []byte) string {
	b, more := beginning(b)
	q := strconv.Quote(string(b))
	if more {
		q = q[:len(q)-1] + `…"`
	}
	return q
}

func beginning(b []byte) (head []byte, more bool) {
	if len(b) <= excerptBytes {
		return b, false
	}
	n := excerptBytes
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n], true
}

// kindOf names the type of a JSON value as it is written, for details.
func kindOf(raw []byte) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	}
	return excerpt(raw)
}
