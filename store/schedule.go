package store

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that JSON has as a string: 90s, 10m, 1h30m. It
// also takes days, 7d.
type Duration time.Duration

// Std answers d as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Ms answers d in milliseconds.
func (d Duration) Ms() int64 { return time.Duration(d).Milliseconds() }

// String leaves out what is zero: 1h, not 1h0m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// ParseDuration reads what String answers, and days.
func ParseDuration(s string) (Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n < 0 || n > 36600 {
			return 0, fmt.Errorf("%q is not a duration such as 90s, 10m, 1h30m or 7d", s)
		}
		return Duration(n * float64(24*time.Hour)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 90s, 10m, 1h30m or 7d", s)
	}
	return Duration(d), nil
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) (err error) {
	*d, err = ParseDuration(string(b))
	return err
}

// Weekday is a day of the week by its first three letters, in English.
type Weekday string

// Weekdays are all of them, in time.Weekday's order.
func Weekdays() []Weekday { return []Weekday{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// ClockTime is a time of day: 07:30. 24:00 is the end of the day.
type ClockTime string

// Minutes answers the minutes since midnight.
func (c ClockTime) Minutes() (int, error) {
	h, m, ok := strings.Cut(string(c), ":")
	hours, err1 := strconv.Atoi(h)
	minutes, err2 := strconv.Atoi(m)
	total := hours*60 + minutes
	if !ok || err1 != nil || err2 != nil || len(h) != 2 || len(m) != 2 || hours < 0 || minutes < 0 || minutes > 59 || total > 24*60 {
		return 0, fmt.Errorf("%q is not a time of day such as 07:30", string(c))
	}
	return total, nil
}

// Validate reports the first thing that is wrong with s.
func (s Schedule) Validate() error {
	if s.Zone == "" {
		return Invalid("schedule", "zone", "is needed, such as Europe/Berlin or UTC")
	}
	if _, err := time.LoadLocation(s.Zone); err != nil {
		return Invalid("schedule", "zone", "%q is not a zone such as Europe/Berlin or UTC", s.Zone)
	}
	for i, d := range s.Days {
		if !slices.Contains(Weekdays(), d) {
			return Invalid("schedule", "days", "%q is unknown; use mon, tue, wed, thu, fri, sat, sun", d)
		}
		if slices.Contains(s.Days[:i], d) {
			return Invalid("schedule", "days", "%s is given twice", d)
		}
	}
	if (s.From == "") != (s.To == "") {
		return Invalid("schedule", "from", "and to go together")
	}
	for name, c := range map[string]ClockTime{"from": s.From, "to": s.To} {
		if c == "" {
			continue
		}
		if _, err := c.Minutes(); err != nil {
			return Invalid("schedule", name, "%s", err)
		}
	}
	if s.From != "" && s.From == s.To {
		return Invalid("schedule", "from", "equals to: leave both out for the whole day")
	}
	return nil
}

// ascending reports whether s is in order, each once.
func ascending[T cmp.Ordered](s []T) bool {
	for i := 1; i < len(s); i++ {
		if s[i] <= s[i-1] {
			return false
		}
	}
	return true
}
