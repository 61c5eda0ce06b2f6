package ingest

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// maxDepth bounds the nesting of values that nobody asked for.
const maxDepth = 256

// payload is a JSON document under a cursor. It is read once, from left to
// right, and holds to RFC 8259 to the letter; building no tree, it needs no
// memory of its own, whatever the document holds. Bytes must be valid UTF-8.
//
// Lone surrogates in escapes are grammatical, so they are accepted and read as
// U+FFFD.
type payload struct {
	b     []byte
	i     int    // the next byte
	fault string // what is wrong at i; the first fault stays
}

func (p *payload) fail(fault string) bool {
	if p.fault == "" {
		p.fault = fault
	}
	return false
}

// peek skips white space and answers the next byte, 0 at the end.
func (p *payload) peek() byte {
	for p.i < len(p.b) {
		switch c := p.b[p.i]; c {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return c
		}
	}
	return 0
}

// end reports whether nothing follows.
func (p *payload) end() bool {
	p.peek()
	if p.i < len(p.b) {
		return p.fail(faultTail)
	}
	return true
}

// member moves to the value of the next member of the object whose brace has
// been read, and answers its key. There is none behind the last member or at a
// fault.
func (p *payload) member(first bool) (key []byte, more bool) {
	switch c := p.peek(); {
	case c == '}':
		p.i++
		return nil, false
	case first:
	case c == ',':
		p.i++
		p.peek()
	default:
		return nil, p.fail(faultMember)
	}
	if p.i >= len(p.b) || p.b[p.i] != '"' {
		return nil, p.fail(faultKey)
	}
	key, ok := p.text()
	if !ok {
		return nil, false
	}
	if p.peek() != ':' {
		return nil, p.fail(faultColon)
	}
	p.i++
	return key, true
}

// element moves to the next element of the array whose bracket has been read.
func (p *payload) element(first bool) bool {
	switch c := p.peek(); {
	case c == ']':
		p.i++
		return false
	case first:
		return true
	case c == ',':
		p.i++
		if p.peek() == ']' {
			return p.fail(faultValue)
		}
		return true
	}
	return p.fail(faultElement)
}

// text reads the string at the cursor and answers its content. Without escapes
// it is a part of the document.
func (p *payload) text() (content []byte, ok bool) {
	start := p.i
	raw, escaped, ok := p.quoted()
	if !ok || !escaped {
		return raw, ok
	}
	var s string
	if err := json.Unmarshal(p.b[start:p.i], &s); err != nil {
		return nil, p.fail(faultEscape)
	}
	return []byte(s), true
}

// quoted reads the string at the cursor as it is written, without its quotes.
func (p *payload) quoted() (raw []byte, escaped, ok bool) {
	b := p.b
	start := p.i + 1
	for i := start; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			p.i = i + 1
			return b[start:i], escaped, true
		case c == '\\':
			escaped = true
			n := escapeLength(b[i:])
			if n == 0 {
				p.i = i
				return nil, true, p.fail(faultEscape)
			}
			i += n - 1
		case c < 0x20:
			p.i = i
			return nil, escaped, p.fail(faultControl)
		}
	}
	p.i = len(b)
	return nil, escaped, p.fail(faultQuote)
}

// escapeLength answers the length of the escape sequence that b begins with, 0
// when it is none.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}

// number reads the number at the cursor as it is written.
func (p *payload) number() (raw []byte, ok bool) {
	b, i := p.b, p.i
	if b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b) || !isDigit(b[i]):
		p.i = i
		return nil, p.fail(faultDigit)
	case b[i] == '0':
		i++
		if i < len(b) && isDigit(b[i]) {
			p.i = i - 1
			return nil, p.fail(faultZero)
		}
	default:
		i = digits(b, i)
	}
	if i < len(b) && b[i] == '.' {
		j := digits(b, i+1)
		if j == i+1 {
			p.i = j
			return nil, p.fail(faultDigit)
		}
		i = j
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		j := digits(b, i)
		if j == i {
			p.i = j
			return nil, p.fail(faultDigit)
		}
		i = j
	}
	raw = b[p.i:i]
	p.i = i
	return raw, true
}

// digits answers the first index from i on that holds no digit.
func digits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// skip reads any value and answers it as it is written.
func (p *payload) skip() (raw []byte, ok bool) {
	p.peek()
	start := p.i
	ok = p.skipValue(maxDepth)
	return p.b[start:p.i], ok
}

func (p *payload) skipValue(depth int) (ok bool) {
	switch c := p.peek(); {
	case c == '"':
		_, _, ok = p.quoted()
		return ok
	case c == '-' || isDigit(c):
		_, ok = p.number()
		return ok
	case c == 't':
		return p.literal("true")
	case c == 'f':
		return p.literal("false")
	case c == 'n':
		return p.literal("null")
	case c != '{' && c != '[':
		return p.fail(faultValue)
	case depth == 0:
		return p.fail(faultDepth)
	case c == '{':
		p.i++
		for first := true; ; first = false {
			if _, more := p.member(first); !more {
				return p.fault == ""
			}
			if !p.skipValue(depth - 1) {
				return false
			}
		}
	default:
		p.i++
		for first := true; p.element(first); first = false {
			if !p.skipValue(depth - 1) {
				return false
			}
		}
		return p.fault == ""
	}
}

func (p *payload) literal(word string) bool {
	if !strings.HasPrefix(alias(p.b[p.i:]), word) {
		return p.fail(faultValue)
	}
	p.i += len(word)
	return true
}

// isNumber reports whether b is exactly one JSON number.
func isNumber(b []byte) bool {
	p := payload{b: b}
	if len(b) == 0 {
		return false
	}
	_, ok := p.number()
	return ok && p.i == len(b)
}

// alias answers b as a string without copying. Payloads are changed by no one.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// invalidAt answers the index of the first byte that is not UTF-8.
func invalidAt(b []byte) int {
	i := 0
	for i < len(b) {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return i
}
