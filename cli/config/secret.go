package config

import (
	"errors"
	"strings"
)

// Secret is a text that does not show when it is printed.
type Secret string

func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[secret]"
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return s.String() }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal answers the text itself.
func (s Secret) Reveal() string { return string(s) }

// secretValue takes a text that errors do not repeat.
type secretValue struct{ to *Secret }

// text does not tell what it is.
func (v secretValue) text() string { return v.to.String() }

func (v secretValue) set(text string) error {
	if strings.ContainsAny(text, "\x00\n\r") {
		return errors.New("a password has no line break in it; one at its end may have come from a file")
	}
	*v.to = Secret(text)
	return nil
}
