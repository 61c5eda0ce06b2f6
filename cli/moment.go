package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tidegate/cli/config"
	"tidegate/store"
)

// moment is a flag that holds a time: RFC 3339 with its zone, now, -1h or
// +30m from now, or epoch seconds or milliseconds.
type moment struct {
	time.Time
	now func() time.Time
}

// String implements pflag.Value.
func (m *moment) String() string {
	if m == nil || m.IsZero() {
		return ""
	}
	return m.UTC().Format(time.RFC3339Nano)
}

// Type implements pflag.Value: it is how help shows the value.
func (m *moment) Type() string { return "time" }

// Set implements pflag.Value.
func (m *moment) Set(text string) error {
	now := time.Now
	if m.now != nil {
		now = m.now
	}
	t, err := parseTime(text, now())
	if err != nil {
		return err
	}
	m.Time = t
	return nil
}

func parseTime(text string, now time.Time) (time.Time, error) {
	switch {
	case text == "now":
		return now, nil
	case strings.HasPrefix(text, "-"), strings.HasPrefix(text, "+"):
		d, err := config.ParseDuration(text)
		if err != nil {
			return time.Time{}, fmt.Errorf("%w; a time before now is -1h, -30m or -7d", err)
		}
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < 1e14 {
		if n < 1e11 {
			n *= 1000
		}
		return time.UnixMilli(int64(n)).UTC(), nil
	}
	if regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`).MatchString(text) {
		return time.Time{}, fmt.Errorf("%q has no time of day and no zone: write %sT00:00:00Z", text, text)
	}
	if regexp.MustCompile(`^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$`).MatchString(text) {
		return time.Time{}, fmt.Errorf("%q has no zone: add Z for UTC or an offset such as +02:00", strings.Replace(text, " ", "T", 1))
	}
	return time.Time{}, fmt.Errorf("%q is not a time: write 2025-09-06T12:00:00Z, now or -1h", text)
}

// ms answers the time for a request; nil when none was given.
func (m *moment) ms() *store.Time {
	if m.IsZero() {
		return nil
	}
	t := store.Time(m.UnixMilli())
	return &t
}
