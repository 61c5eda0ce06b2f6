package cli

import (
	"fmt"
	"strconv"
	"strings"

	"tidegate/store"
)

// durationValue is a flag that takes a store.Duration.
type durationValue struct {
	d     *store.Duration
	given bool
}

func (v *durationValue) String() string {
	if v.d == nil || *v.d == 0 {
		return ""
	}
	return v.d.String()
}

// Set implements pflag.Value.
func (v *durationValue) Set(text string) error {
	d, err := store.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%s is negative", text)
	}
	if err != nil {
		return err
	}
	v.given = true
	*v.d = d
	return nil
}

// Type implements pflag.Value.
func (v *durationValue) Type() string { return "duration" }

// levelValue is a flag that takes a number, or none to take one away.
type levelValue struct {
	v     *float64
	given bool
}

func (l *levelValue) String() string {
	if l.v == nil {
		return ""
	}
	return strconv.FormatFloat(*l.v, 'g', -1, 64)
}

// Set implements pflag.Value.
func (l *levelValue) Set(text string) error {
	l.given, l.v = true, nil
	if text == "none" {
		return nil
	}
	n, err := finite(text)
	l.v = &n
	return err
}

// Type implements pflag.Value.
func (l *levelValue) Type() string { return "number" }

// spanValue is a flag that takes two numbers, LO:HI.
type spanValue struct {
	low, high float64
	given     bool
}

func (s *spanValue) String() string {
	if !s.given {
		return ""
	}
	return fmt.Sprintf("%g:%g", s.low, s.high)
}

// Set implements pflag.Value.
func (s *spanValue) Set(text string) (err error) {
	low, high, ok := strings.Cut(text, ":")
	if !ok {
		return fmt.Errorf("%q is not LO:HI, such as 10:80", text)
	}
	s.given = true
	if s.low, err = finite(low); err != nil {
		return err
	}
	if s.high, err = finite(high); err != nil {
		return err
	}
	if s.low > s.high {
		return fmt.Errorf("%g is above %g; write the lower one first", s.low, s.high)
	}
	return nil
}

// Type implements pflag.Value.
func (s *spanValue) Type() string { return "LO:HI" }

func finite(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n-n != 0 { // not finite
		return 0, fmt.Errorf("%q is not a number", text)
	}
	return n, nil
}
