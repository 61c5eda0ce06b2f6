package cli

import (
	"strings"
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	now := time.Date(2025, 9, 6, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"now":                           "2025-09-06T12:00:00Z",
		"-1h":                           "2025-09-06T11:00:00Z",
		"+30m":                          "2025-09-06T12:30:00Z",
		"-7d":                           "2025-08-30T12:00:00Z",
		"2025-09-06T12:00:00Z":          "2025-09-06T12:00:00Z",
		"2025-09-06T12:00:00.123+02:00": "2025-09-06T10:00:00.123Z",
		"1757160000":                    "2025-09-06T12:00:00Z",
		"1757160000.5":                  "2025-09-06T12:00:00.5Z",
		"1757160000123":                 "2025-09-06T12:00:00.123Z",
	} {
		m := moment{now: func() time.Time { return now }}
		if err := m.Set(text); err != nil || m.String() != want {
			t.Errorf("%s is %s, %v; want %s", text, &m, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                    "is not a time",
		"yesterday":           "is not a time: write 2025-09-06T12:00:00Z, now or -1h",
		"2025-09-06":          "write 2025-09-06T00:00:00Z",
		"2025-09-06T12:00":    "has no zone: add Z for UTC",
		"2025-09-06 12:00:00": "has no zone: add Z for UTC",
		"-1":                  `"-1" has no unit`,
		"-1y":                 "is not a duration",
	} {
		var m moment
		if err := m.Set(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}
