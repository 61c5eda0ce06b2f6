package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	millisecond = time.Millisecond
	second      = time.Second
	minute      = time.Minute
	hour        = time.Hour
)

// value takes the text of a setting, or says what is allowed, and answers it as
// it would be written.
type value interface {
	set(text string) error
	text() string
}

// addressValue is what is listened on; empty: nothing is.
type addressValue struct {
	to   *string
	port string // for the example
}

func (v addressValue) text() string { return *v.to }

func (v addressValue) set(text string) error {
	if text == "" {
		*v.to = ""
		return nil
	}
	allowed := fmt.Sprintf(`%q is not an address; write ":%s" for every interface or "127.0.0.1:%s" for this machine alone`, text, v.port, v.port)
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return errors.New(allowed)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%s (a port is a number from 0 to 65535)", allowed)
	}
	if strings.ContainsAny(host, " /\t") {
		return errors.New(allowed)
	}
	*v.to = text
	return nil
}

type countValue struct {
	to       *int
	min, max int
	of       string
}

func (v countValue) text() string { return strconv.Itoa(*v.to) }

func (v countValue) set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < v.min || n > v.max {
		return fmt.Errorf("%q is not a whole number from %d to %d (%s)", text, v.min, v.max, v.of)
	}
	*v.to = n
	return nil
}

type sizeValue struct {
	to       *int64
	min, max int64
}

func (v sizeValue) text() string { return FormatSize(*v.to) }

func (v sizeValue) set(text string) error {
	n, err := ParseSize(text)
	if err != nil {
		return err
	}
	if n < v.min || n > v.max {
		return fmt.Errorf("%s is out of range; allowed are %s to %s", text, FormatSize(v.min), FormatSize(v.max))
	}
	*v.to = n
	return nil
}

type durationValue struct {
	to       *time.Duration
	min, max time.Duration
}

func (v durationValue) text() string { return FormatDuration(*v.to) }

func (v durationValue) set(text string) error {
	d, err := ParseDuration(text)
	if err != nil {
		return err
	}
	if d < v.min || d > v.max {
		return fmt.Errorf("%s is out of range; allowed are %s to %s", text, FormatDuration(v.min), FormatDuration(v.max))
	}
	*v.to = d
	return nil
}

// fileValue is the path of a file; empty: there is none. Whether it can be read
// is found out by whoever reads it.
type fileValue struct{ to *string }

func (v fileValue) text() string { return *v.to }

func (v fileValue) set(text string) error {
	if strings.ContainsAny(text, "\x00\n\r") {
		return fmt.Errorf("%q is not the path of a file", text)
	}
	*v.to = text
	return nil
}

type switchValue struct{ to *bool }

func (v switchValue) text() string { return strconv.FormatBool(*v.to) }

func (v switchValue) set(text string) error {
	switch text {
	case "true", "false":
		*v.to = text == "true"
		return nil
	}
	return fmt.Errorf("%q is neither true nor false", text)
}

type choiceValue struct {
	to    *string
	oneOf []string
}

func (v choiceValue) text() string { return *v.to }

func (v choiceValue) set(text string) error {
	if !slices.Contains(v.oneOf, text) {
		return fmt.Errorf("%q is not one of %s%s", text, strings.Join(v.oneOf, ", "), suggest(text, v.oneOf))
	}
	*v.to = text
	return nil
}
