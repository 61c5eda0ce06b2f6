package alert

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"tidegate/store"
)

// activeAt is Hours.At by brute force: by what clocks on the wall show, every
// quarter of an hour, which all times here are multiples of.
func activeAt(t testing.TB, s store.Schedule, at time.Time) bool {
	t.Helper()
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		t.Fatal(err)
	}
	from, to := 0, 24*60
	if s.From != "" {
		from, _ = s.From.Minutes()
		to, _ = s.To.Minutes()
	}
	if to <= from {
		to += 24 * 60
	}
	local := at.In(zone)
	for back := range 3 {
		day := time.Date(local.Year(), local.Month(), local.Day()-back, 0, 0, 0, 0, time.UTC)
		if len(s.Days) > 0 {
			on := false
			for _, d := range s.Days {
				on = on || store.Weekdays()[day.Weekday()] == d
			}
			if !on {
				continue
			}
		}
		if !at.Before(firstShowing(zone, day, from)) && at.Before(lastShowing(zone, day, to)) {
			return true
		}
	}
	return false
}

// wall is what a clock in the zone shows, as if it were UTC.
func wall(zone *time.Location, at time.Time) time.Time {
	l := at.In(zone)
	return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), l.Second(), 0, time.UTC)
}

// firstShowing is the first moment at which clocks show the time of day, or else
// the one at which they jump over it.
func firstShowing(zone *time.Location, day time.Time, minutes int) time.Time {
	list := showing(zone, day, minutes)
	return list[0]
}

// lastShowing is the last one.
func lastShowing(zone *time.Location, day time.Time, minutes int) time.Time {
	list := showing(zone, day, minutes)
	return list[len(list)-1]
}

func showing(zone *time.Location, day time.Time, minutes int) []time.Time {
	want := day.Add(time.Duration(minutes) * time.Minute)
	var list []time.Time
	var jump time.Time
	for m := -30 * 60; m <= 30*60; m += 15 {
		at := want.Add(time.Duration(m) * time.Minute)
		w := wall(zone, at)
		if w.Equal(want) {
			list = append(list, at)
		}
		if jump.IsZero() && w.After(want) {
			jump = at
		}
	}
	if len(list) == 0 {
		list = append(list, jump)
	}
	return list
}

// TestHours compares with brute force around changes of the clocks, in zones
// where they come at midnight, by half an hour, and by a whole day.
func TestHours(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, c := range []struct{ zone, around string }{
		{"Europe/Berlin", "2026-03-29"},
		{"Europe/Berlin", "2026-10-25"},
		{"America/New_York", "2026-03-08"},
		{"America/New_York", "2026-11-01"},
		{"Australia/Lord_Howe", "2026-04-05"},
		{"Australia/Lord_Howe", "2026-10-04"},
		{"America/Sao_Paulo", "2018-11-04"}, // at midnight: 00:00 does not exist
		{"America/Sao_Paulo", "2018-02-18"}, // at midnight: 23:30 comes twice
		{"Pacific/Apia", "2011-12-30"},      // a day that does not exist
		{"Asia/Kolkata", "2026-06-01"},
		{"UTC", "2026-02-28"},
	} {
		middle, err := time.Parse(time.DateOnly, c.around)
		if err != nil {
			t.Fatal(err)
		}
		n := 6
		if testing.Short() {
			n = 3
		}
		for range n {
			s := store.Schedule{Zone: c.zone}
			for _, d := range store.Weekdays() {
				if rnd.IntN(3) == 0 {
					s.Days = append(s.Days, d)
				}
			}
			if rnd.IntN(5) > 0 {
				clock := func() store.ClockTime {
					return store.ClockTime(fmt.Sprintf("%02d:%02d", rnd.IntN(5), rnd.IntN(4)*15))
				}
				s.From, s.To = clock(), clock()
				if s.From == s.To {
					s.To = "22:00"
				}
				if rnd.IntN(2) == 0 {
					s.From, s.To = s.To, s.From
				}
			}
			compareHours(t, s, middle, rnd)
		}
	}
}

func compareHours(t *testing.T, s store.Schedule, middle time.Time, rnd *rand.Rand) {
	t.Helper()
	h, err := NewHours(s)
	if err != nil {
		t.Fatal(err)
	}
	for range 15 {
		at := middle.Add(time.Duration(rnd.IntN(6*24*60)-3*24*60) * time.Minute)
		active, until := h.At(at.UnixMilli())
		if want := activeAt(t, s, at); active != want {
			t.Fatalf("%+v at %s: %v, want %v", s, at.In(h.zone), active, want)
		}
		if until == always {
			if len(s.Days) > 0 && len(s.Days) < 7 || s.From != "" && s.From != "00:00" {
				t.Fatalf("%+v at %s: for ever %v", s, at.In(h.zone), active)
			}
			continue
		}
		if until <= at.UnixMilli() {
			t.Fatalf("%+v at %s: until %s", s, at.In(h.zone), time.UnixMilli(until).In(h.zone))
		}
		// It is so until then, and not from then on.
		for _, m := range []int64{(at.UnixMilli() + until) / 2, until - 1} {
			if got := activeAt(t, s, time.UnixMilli(m)); got != active {
				t.Fatalf("%+v at %s: %v until %s, but not at %s", s, at.In(h.zone), active, time.UnixMilli(until).In(h.zone), time.UnixMilli(m).In(h.zone))
			}
		}
		if activeAt(t, s, time.UnixMilli(until)) == active {
			t.Fatalf("%+v at %s: %v until %s, but then too", s, at.In(h.zone), active, time.UnixMilli(until).In(h.zone))
		}
	}
}

func TestHoursThatCannotBe(t *testing.T) {
	for _, s := range []store.Schedule{
		{},
		{Zone: "Mars/Olympus"},
		{Zone: "UTC", From: "8:00", To: "16:00"},
		{Zone: "UTC", From: "08:00"},
		{Zone: "UTC", From: "08:00", To: "08:00"},
		{Zone: "UTC", Days: []store.Weekday{"monday"}},
	} {
		if _, err := NewHours(s); err == nil {
			t.Errorf("%+v was taken", s)
		}
	}
}

func TestQuiet(t *testing.T) {
	at := func(s string) int64 {
		v, err := time.Parse("2006-01-02T15:04", s)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixMilli()
	}
	end := store.Time(at("2026-01-09T12:00"))
	night := &store.Schedule{Zone: "UTC", From: "22:00", To: "06:00"}
	for _, c := range []struct {
		name    string
		silence store.Silence
		at      string
		quiet   bool
		until   string
	}{
		{"before it", store.Silence{EndsAt: &end}, "2026-01-04T23:59", false, "2026-01-05T00:00"},
		{"at its beginning", store.Silence{EndsAt: &end}, "2026-01-05T00:00", true, "2026-01-09T12:00"},
		{"just before its end", store.Silence{EndsAt: &end}, "2026-01-09T11:59", true, "2026-01-09T12:00"},
		{"at its end", store.Silence{EndsAt: &end}, "2026-01-09T12:00", false, "never"},
		{"within its hours", store.Silence{Schedule: night}, "2026-02-01T23:00", true, "2026-02-02T06:00"},
		{"outside of its hours", store.Silence{Schedule: night}, "2026-02-01T12:00", false, "2026-02-01T22:00"},
		{"before it, which begins within its hours", store.Silence{Schedule: night}, "2026-01-01T12:00", false, "2026-01-05T00:00"},
		{"hours that it ends in", store.Silence{Schedule: &store.Schedule{Zone: "UTC", From: "08:00", To: "16:00"}, EndsAt: &end}, "2026-01-09T09:00", true, "2026-01-09T12:00"},
		{"no hours before its end", store.Silence{Schedule: night, EndsAt: &end}, "2026-01-09T06:00", false, "never"},
		{"hours that begin at its end", store.Silence{Schedule: &store.Schedule{Zone: "UTC", From: "12:00", To: "16:00"}, EndsAt: &end}, "2026-01-09T06:00", false, "never"},
		{"before it, which begins outside of its hours", store.Silence{Schedule: &store.Schedule{Zone: "UTC", From: "08:00", To: "16:00"}}, "2026-01-01T12:00", false, "2026-01-05T08:00"},
	} {
		c.silence.StartsAt = store.Time(at("2026-01-05T00:00"))
		q, err := NewQuiet(c.silence)
		if err != nil {
			t.Fatal(err)
		}
		want := int64(always)
		if c.until != "never" {
			want = at(c.until)
		}
		if quiet, until := q.At(at(c.at)); quiet != c.quiet || until != want {
			t.Errorf("%s: %v until %s, want %v until %s", c.name, quiet, store.Time(until), c.quiet, c.until)
		}
	}
	if _, err := NewQuiet(store.Silence{Schedule: &store.Schedule{Zone: "Mars/Olympus"}}); err == nil {
		t.Error("a zone that is none was taken")
	}
}
