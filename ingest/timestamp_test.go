package ingest

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

func TestParseTime(t *testing.T) {
	for _, tt := range []struct{ in, want string }{ // want: a time, "local", or the detail
		{"2025-09-06T12:00:00Z", "2025-09-06T12:00:00.000Z"},
		{"2025-09-06T12:00:00.123Z", "2025-09-06T12:00:00.123Z"},
		{"2025-09-06T12:00:00.1Z", "2025-09-06T12:00:00.100Z"},
		{"2025-09-06T12:00:00.1239999999Z", "2025-09-06T12:00:00.123Z"},
		{"2025-09-06t12:00:00z", "2025-09-06T12:00:00.000Z"},
		{"2025-09-06 12:00:00Z", "2025-09-06T12:00:00.000Z"},
		{"2025-09-06T14:00:00+02:00", "2025-09-06T12:00:00.000Z"},
		{"2025-09-06T06:30:00-05:30", "2025-09-06T12:00:00.000Z"},
		{"2025-09-06T12:00:00-00:00", "2025-09-06T12:00:00.000Z"},
		{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"},
		{"2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"},
		{"1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"},
		{"0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z"},
		{"9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"},
		// A second of 60 is the first of the next month.
		{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"},
		{"2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250Z"},
		{"2017-01-01T05:29:60+05:30", "2017-01-01T00:00:00.000Z"},
		{"2016-12-30T23:59:60Z", `ts "2016-12-30T23:59:60Z": a second of 60 is only at the end of a month in UTC`},
		{"2016-12-31T12:00:60Z", `ts "2016-12-31T12:00:60Z": a second of 60 is only at the end of a month in UTC`},

		{"2025-09-06T12:00:00", "local"},
		{"2025-09-06 12:00:00.5", "local"},

		{"0000-01-01T00:00:00+00:01", `ts "0000-01-01T00:00:00+00:01" is outside the years 0 to 9999`},
		{"9999-12-31T23:59:59-00:01", `ts "9999-12-31T23:59:59-00:01" is outside the years 0 to 9999`},
		{"", "ts is empty; send a time such as 2025-09-06T12:00:00Z, or leave ts out"},
		{"1757160000.5", `ts "1757160000.5" is a number in quotes; take the quotes off`},
		{"2025-09-06T12:00:00,5Z", `ts "2025-09-06T12:00:00,5Z": write the fraction of the second with a point`},
		{"2025-09-06T12:00:00+0200", `ts "2025-09-06T12:00:00+0200": write the offset with hours and minutes, such as +02:00`},
		{"2025-09-06T12:00:00+02", `ts "2025-09-06T12:00:00+02": write the offset with hours and minutes, such as +02:00`},
		{"2025-09-06T12:00:00+24:00", `ts "2025-09-06T12:00:00+24:00": write the offset with hours and minutes, such as +02:00`},
		{"2025-09-06T12:00:00+02:60", `ts "2025-09-06T12:00:00+02:60": write the offset with hours and minutes, such as +02:00`},
		{"2025-09-06T12:00:00 CEST", `ts "2025-09-06T12:00:00 CEST": expected Z or an offset such as +02:00 behind the time`},
		{"2025-09-06T12:00:00ZZ", `ts "2025-09-06T12:00:00ZZ": expected Z or an offset such as +02:00 behind the time`},
		{"2025-09-06", `ts "2025-09-06" has no time of day; send one such as 2025-09-06T12:00:00Z`},
		{"2025-09-06T12:00Z", `ts "2025-09-06T12:00Z" has no seconds; send a time such as 2025-09-06T12:00:00Z`},
		{"2025-09-06T12:00", `ts "2025-09-06T12:00" has no seconds; send a time such as 2025-09-06T12:00:00Z`},
		{"2025-02-29T12:00:00Z", `ts "2025-02-29T12:00:00Z" is no day or time of the calendar`},
		{"1900-02-29T12:00:00Z", `ts "1900-02-29T12:00:00Z" is no day or time of the calendar`},
		{"2025-13-01T12:00:00Z", `ts "2025-13-01T12:00:00Z" is no day or time of the calendar`},
		{"2025-00-01T12:00:00Z", `ts "2025-00-01T12:00:00Z" is no day or time of the calendar`},
		{"2025-09-06T24:00:00Z", `ts "2025-09-06T24:00:00Z" is no day or time of the calendar`},
		{"2025-09-06T12:00:00.Z", `ts "2025-09-06T12:00:00.Z" is no day or time of the calendar`},
		{"Sat Sep  6 12:00:00 2025", `ts "Sat Sep  6 12:00:00 2025" is not a time; send RFC 3339 such as 2025-09-06T12:00:00Z, or epoch milliseconds as a number`},
	} {
		got := parseTime([]byte(tt.in))
		s := got.detail
		switch got.kind {
		case tsKnown:
			s = store.Time(got.ms).String()
		case tsLocal:
			s = "local"
			if got.local != tt.in {
				t.Errorf("%s: local is %q", tt.in, got.local)
			}
		}
		if s != tt.want {
			t.Errorf("%s: got  %s\nwant %s", tt.in, s, tt.want)
		}
	}
}

func TestParseEpoch(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int64
	}{
		{"0", 0},
		{"-0", 0},
		{"0.0e9", 0},
		{"1", 1000},
		{"0.0005", 0},
		{"-0.0005", -1},
		{"0.001", 1},
		{"1757160000", 1757160000000},
		{"1757160000.123", 1757160000123},
		{"1757160000.1239", 1757160000123},
		{"1.757160000123e9", 1757160000123},
		{"1.757160000123E+09", 1757160000123},
		{"1757160000123", 1757160000123},
		{"1757160000123.9", 1757160000123},
		{"1.757160000123e12", 1757160000123},
		{"17571600001239e-1", 1757160000123},
		{"99999999999", 99999999999000},
		{"99999999999.999", 99999999999999},
		{"100000000000", 100000000000},
		{"-1", -1000},
		{"-1.5", -1500},
		{"-0.0001", -1},
		{"-99999999999", -99999999999000 + 0},
		{"-100000000000", -100000000000},
		{"-100000000000.5", -100000000001},
		{"1e11", 100000000000},
		{"1e-999999999999", 0},
		{"253402300799999", maxTS},
	} {
		got := parseEpoch([]byte(tt.in))
		if tt.want < minTS {
			if got.kind != tsInvalid {
				t.Errorf("%s: %+v, want it invalid", tt.in, got)
			}
			continue
		}
		if got.kind != tsKnown || got.ms != tt.want {
			t.Errorf("%s: %+v, want %d", tt.in, got, tt.want)
		}
	}
	for _, tt := range []struct{ in, want string }{
		{"253402300800000", "ts 253402300800000 is outside the years 0 to 9999; send epoch milliseconds, or seconds below 1e11"},
		{"1757160000123456", "ts 1757160000123456 is outside the years 0 to 9999; it looks like microseconds: divide by 1000"},
		{"1757160000123456789", "ts 1757160000123456789 is outside the years 0 to 9999; it looks like nanoseconds: divide by 1000000"},
		{"1e999999999999", "ts 1e999999999999 is outside the years 0 to 9999; send epoch milliseconds, or seconds below 1e11"},
		{"-99999999999", "ts -99999999999 is outside the years 0 to 9999; send epoch milliseconds, or seconds below 1e11"},
	} {
		if got := parseEpoch([]byte(tt.in)); got.kind != tsInvalid || got.detail != tt.want {
			t.Errorf("%s: %+v", tt.in, got)
		}
	}
}

func TestBoundsOfTime(t *testing.T) {
	if got := store.Time(minTS).String(); got != "0000-01-01T00:00:00.000Z" {
		t.Errorf("from %s", got)
	}
	if got := store.Time(maxTS).String(); got != "9999-12-31T23:59:59.999Z" {
		t.Errorf("to %s", got)
	}
}

func TestInZone(t *testing.T) {
	for _, tt := range []struct{ zone, local, want string }{ // want "": no such time
		{"UTC", "2025-09-06T12:00:00", "2025-09-06T12:00:00.000Z"},
		{"Europe/Berlin", "2025-09-06T12:00:00.25", "2025-09-06T10:00:00.250Z"},
		{"Europe/Berlin", "2025-01-06T12:00:00", "2025-01-06T11:00:00.000Z"},
		// Set forward at 02:00: 02:30 never was, and is as much later.
		{"Europe/Berlin", "2025-03-30T01:59:59.999", "2025-03-30T00:59:59.999Z"},
		{"Europe/Berlin", "2025-03-30T02:00:00", "2025-03-30T01:00:00.000Z"},
		{"Europe/Berlin", "2025-03-30T02:30:00", "2025-03-30T01:30:00.000Z"},
		{"Europe/Berlin", "2025-03-30T03:00:00", "2025-03-30T01:00:00.000Z"},
		// Set back at 03:00: 02:30 was twice, and is the first.
		{"Europe/Berlin", "2025-10-26T01:59:59", "2025-10-25T23:59:59.000Z"},
		{"Europe/Berlin", "2025-10-26T02:30:00", "2025-10-26T00:30:00.000Z"},
		{"Europe/Berlin", "2025-10-26T03:00:00", "2025-10-26T02:00:00.000Z"},
		{"America/St_Johns", "2025-11-02T01:30:00", "2025-11-02T04:00:00.000Z"},
		{"Australia/Lord_Howe", "2025-10-05T02:15:00", "2025-10-04T15:45:00.000Z"}, // half an hour forward
		// Samoa had no 30 December 2011.
		{"Pacific/Apia", "2011-12-29T23:59:59", "2011-12-30T09:59:59.000Z"},
		{"Pacific/Apia", "2011-12-30T12:00:00", "2011-12-30T22:00:00.000Z"},
		{"Pacific/Apia", "2011-12-31T00:00:00", "2011-12-30T10:00:00.000Z"},
		{"Europe/Berlin", "2017-01-01T00:59:60", "2017-01-01T00:00:00.000Z"},
		{"Europe/Berlin", "2017-01-01T01:59:60", ""},
		{"Asia/Tokyo", "0000-01-01T00:00:00", ""},
	} {
		loc, err := time.LoadLocation(tt.zone)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if ms, ok := inZone(tt.local, loc); ok {
			got = store.Time(ms).String()
		}
		if got != tt.want {
			t.Errorf("%s in %s: %s, want %s", tt.local, tt.zone, got, tt.want)
		}
	}
}

// TestInZoneEveryQuarter compares with a search for every quarter of an hour
// of some years: of the instants that the zone shows as the local time the
// first, or, where there is none, one that lies behind the gap.
func TestInZoneEveryQuarter(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		const quarter = 15 * 60 * 1000
		from := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
		seen := map[int64]int64{} // local as if UTC → first instant
		for at := from.UnixMilli(); at < from.AddDate(3, 0, 0).UnixMilli(); at += quarter {
			local := at + offsetAt(at, loc)
			if _, ok := seen[local]; !ok {
				seen[local] = at
			}
		}
		for at := from.AddDate(0, 0, 2).UnixMilli(); at < from.AddDate(3, 0, -2).UnixMilli(); at += quarter {
			s := strings.TrimSuffix(store.Time(at).String(), "Z")
			got, ok := inZone(s, loc)
			want, was := seen[at]
			if !was { // the instant shows a time later by the length of the gap
				shown := got + offsetAt(got, loc)
				if !ok || shown <= at || shown > at+2*3_600_000 {
					t.Fatalf("%s in %s, which never was: %s", s, zone, store.Time(got))
				}
				continue
			}
			if !ok || got != want {
				t.Fatalf("%s in %s: %s, want %s", s, zone, store.Time(got), store.Time(want))
			}
		}
	}
}

// FuzzParseTime compares with time.Parse, which knows RFC 3339 too but takes a
// comma, offsets up to 24:60 and an hour of one digit, and no second of 60, no
// space and no small t and z.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2025-09-06T12:00:00Z", "2025-09-06T12:00:00.123Z", "2025-09-06T12:00:00+02:00", "2024-02-29T23:59:59.999999999-23:59", "2016-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "2025-09-06T12:00:00,5Z", "2025-09-06T12:00:00", "2025-09-06T2:00:00Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := parseTime([]byte(s))
		b := []byte(s)
		if len(b) > 10 && got.kind != tsInvalid {
			b[10] = 'T'
		}
		if n := len(b); n > 0 && b[n-1] == 'z' {
			b[n-1] = 'Z'
		}
		layout := time.RFC3339
		if got.kind == tsLocal {
			layout = "2006-01-02T15:04:05"
		}
		want, err := time.Parse(layout, string(b))
		switch {
		case got.kind == tsInvalid && err == nil:
			ms := want.UnixMilli()
			_, offset := want.Zone()
			oddOffset := offset <= -86400 || offset >= 86400 || strings.Contains(s, ":60")
			oddHour := len(s) < 19 || s[13] != ':'
			if ms >= minTS && ms <= maxTS && !strings.Contains(s, ",") && !oddOffset && !oddHour {
				t.Errorf("%q is %s, but refused: %s", s, want, got.detail)
			}
		case got.kind != tsInvalid && err != nil:
			if !strings.Contains(s, ":60") {
				t.Errorf("%q is accepted as %s: %v", s, store.Time(got.ms), err)
			}
		case got.kind == tsKnown && got.ms != want.UnixMilli():
			t.Errorf("%q is %d, want %d", s, got.ms, want.UnixMilli())
		case got.kind == tsLocal:
			if ms, ok := inZone(got.local, time.UTC); !ok || ms != want.UnixMilli() {
				t.Errorf("%q in UTC is %d %v, want %d", s, ms, ok, want.UnixMilli())
			}
		case got.kind == tsInvalid && got.detail == "":
			t.Errorf("%q is refused without a word", s)
		}
	})
}

// FuzzParseEpoch compares with exact fractions.
func FuzzParseEpoch(f *testing.F) {
	for _, s := range []string{"1757160000.123", "-0.0005", "1e11", "1.757160000123e12", "99999999999.9999", "0.00e-5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !isNumber([]byte(s)) || len(s) > 100 {
			return
		}
		if i := strings.IndexAny(s, "eE"); i >= 0 && len(s)-i > 5 {
			return // beyond what big.Rat should be asked for
		}
		got := parseEpoch([]byte(s))
		v, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q", s)
		}
		if new(big.Rat).Abs(v).Cmp(big.NewRat(100_000_000_000, 1)) < 0 {
			v.Mul(v, big.NewRat(1000, 1))
		}
		// Div of big.Int is Euclidean, which with a positive divisor is floor.
		want := new(big.Int).Div(v.Num(), v.Denom())
		inside := want.Cmp(big.NewInt(minTS)) >= 0 && want.Cmp(big.NewInt(maxTS)) <= 0
		if inside != (got.kind == tsKnown) || (inside && want.Int64() != got.ms) {
			t.Errorf("%q is %+v, want %s", s, got, want)
		}
	})
}

func BenchmarkParseTime(b *testing.B) {
	for _, s := range []string{"2025-09-06T12:00:00Z", "2025-09-06T12:00:00.123Z", "2025-09-06T14:00:00.123456+02:00"} {
		b.Run(s, func(b *testing.B) {
			in := []byte(s)
			b.ReportAllocs()
			for b.Loop() {
				if ts := parseTime(in); ts.kind != tsKnown {
					b.Fatal(ts.detail)
				}
			}
		})
	}
}
