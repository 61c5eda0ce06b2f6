package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// unit is a suffix of a size and what it stands for.
type unit struct {
	name  string
	bytes int64
}

// units with binary ones first: FormatSize takes the first that divides.
func units() []unit {
	return []unit{
		{"TiB", 1 << 40},
		{"GiB", 1 << 30},
		{"MiB", 1 << 20},
		{"KiB", 1 << 10},
		{"TB", 1e12},
		{"GB", 1e9},
		{"MB", 1e6},
		{"kB", 1e3},
		{"KB", 1e3},
		{"B", 1},
	}
}

// ParseSize reads a size with its unit, such as 512MiB, 1.5GiB or 20kB.
func ParseSize(text string) (int64, error) {
	for _, u := range units() {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(f >= 0 && f*float64(u.bytes) < 1<<62) { // also not a number
			break
		}
		return int64(math.Round(f * float64(u.bytes))), nil
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, fmt.Errorf("%q has no unit; write %sMiB, or another of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB", text, text)
	}
	return 0, fmt.Errorf("%q is not a size such as 512MiB or 1GiB", text)
}

// FormatSize is the inverse of ParseSize: the largest unit that divides n.
func FormatSize(n int64) string {
	for _, u := range units() {
		if n != 0 && n%u.bytes == 0 && u.name != "KB" {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

// ParseDuration reads a duration with its unit, such as 5ms, 1h30m or 90d.
func ParseDuration(text string) (time.Duration, error) {
	if days, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err == nil && math.Abs(n) < 100_000 && (rest == "" || !strings.HasPrefix(rest, "-")) {
			d := time.Duration(n * float64(24*time.Hour))
			if rest == "" {
				return d, nil
			}
			if r, err := time.ParseDuration(rest); err == nil {
				if d < 0 {
					r = -r
				}
				return d + r, nil
			}
		}
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, fmt.Errorf("%[1]q has no unit; write %[1]sms, %[1]ss, %[1]sm, %[1]sh or %[1]sd", text)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 5ms, 10m, 12h or 90d", text)
	}
	return d, nil
}

// FormatDuration answers d without the zero parts that String adds.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
