package embedded

import (
	"math"
	"path/filepath"
	"testing"
	"time"
)

func TestMonth(t *testing.T) {
	ms := func(s string) int64 {
		at, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return at.UnixMilli()
	}
	tests := []struct {
		ts   int64
		name string
	}{
		{ms("2025-02-28T23:59:59.999Z"), "2025-02"},
		{ms("2025-03-01T00:00:00Z"), "2025-03"},
		{ms("2024-12-31T23:59:59.999Z"), "2024-12"},
		{ms("1970-01-01T00:00:00Z"), "1970-01"},
		{-1, "1969-12"},
		{ms("0000-01-01T00:00:00Z"), "0000-01"},
		{ms("9999-12-31T23:59:59Z"), "9999-12"},
		{ms("0000-01-01T00:00:00Z") - 1, "-001-12"},
		{math.MaxInt64, "292278994-08"},
		{math.MinInt64, "-292275055-05"},
	}
	for _, tt := range tests {
		m := MonthOf(tt.ts)
		if m.String() != tt.name {
			t.Errorf("%d is in %s, want %s", tt.ts, m, tt.name)
		}
		if back, ok := monthFileName(filepath.Base(m.file("dir"))); !ok || back != m {
			t.Errorf("%s comes back from its file's name as %s, %v", m, back, ok)
		}
		if tt.ts != math.MaxInt64 && tt.ts != math.MinInt64 && (m.Start() > tt.ts || m.End() <= tt.ts || MonthOf(m.End()) != m+1 || MonthOf(m.End()-1) != m) {
			t.Errorf("%s goes from %d to %d, and %d is in it", m, m.Start(), m.End(), tt.ts)
		}
	}
	for _, name := range []string{"series-2025-13.db", "series-2025-00.db", "series-25-01.db", "series-2025-01.db.tmp", "series-index.db", "series-02025-01.db"} {
		if m, ok := monthFileName(name); ok {
			t.Errorf("%s is taken for %s", name, m)
		}
	}
}
