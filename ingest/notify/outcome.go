package notify

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// outcomeKind is what became of a try.
type outcomeKind int

const (
	delivered outcomeKind = iota
	again                 // it may pass
	refused               // for good
)

func (k outcomeKind) String() string { return [...]string{"delivered", "again", "refused"}[k] }

// outcome is what became of a try, in words that may be shown to people.
type outcome struct {
	kind   outcomeKind
	status string        // such as HTTP 503, SMTP 451; empty: there was no answer
	words  string        // the receiver's, or ours about what happened
	after  time.Duration // the receiver wants to be left alone for so long
}

// maxWords is how much is kept of what a receiver says, in bytes.
const maxWords = 200

func (o outcome) text() string {
	switch {
	case o.kind == delivered && o.words == "":
		return ""
	case o.status == "":
		return o.words
	case o.words == "":
		return o.status
	}
	return o.status + ": " + o.words
}

// words answers what a receiver said, fit to be shown: one line, at most maxWords
// bytes, and none of the secrets, should it have repeated them.
func words(said string, secrets ...string) string {
	said = strings.ToValidUTF8(said, "\uFFFD")
	for _, s := range secrets {
		if len(s) >= 4 {
			said = strings.ReplaceAll(said, s, "[secret]")
		}
	}
	said = strings.Join(strings.FieldsFunc(said, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || !unicode.IsPrint(r) }), " ")
	return cut(said, maxWords)
}

// cut answers the beginning of s, of at most n bytes, with a mark where it was
// cut.
func cut(s string, n int) string {
	const mark = "…"
	if len(s) <= n {
		return s
	}
	if n < len(mark) {
		return ""
	}
	end := n - len(mark)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}
