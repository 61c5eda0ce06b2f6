package store

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestCutUserAgent(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"Mozilla/5.0 (X11)":            "Mozilla/5.0 (X11)",
		"a\x00b\r\nc\x1b[31m\xff":      "a?b??c?[31m?",
		strings.Repeat("é", 150):       strings.Repeat("é", 100),
		"x" + strings.Repeat("é", 150): "x" + strings.Repeat("é", 99),
	} {
		got := CutUserAgent(in)
		if got != want || len(got) > maxUserAgent || !utf8.ValidString(got) {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestSessionIsOver(t *testing.T) {
	now := time.Now()
	s := Session{ID: NewSessionID(), UserID: "u", Generation: 1, CreatedAt: now, IdleUntil: now.Add(time.Hour), Until: now.Add(2 * time.Hour)}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*Session)
		after  time.Duration
		good   bool
	}{
		"new":       {func(*Session) {}, time.Hour - 1, true},
		"idle":      {func(*Session) {}, time.Hour, false},
		"used":      {func(s *Session) { s.IdleUntil = now.Add(3 * time.Hour) }, 2*time.Hour - 1, true},
		"too old":   {func(s *Session) { s.IdleUntil = now.Add(3 * time.Hour) }, 2 * time.Hour, false},
		"ended":     {func(s *Session) { s.Ended, s.EndedAt = EndLogout, now }, 0, false},
		"ended now": {func(s *Session) { s.Ended, s.EndedAt = EndLogout, now.Add(time.Minute) }, 0, false},
	} {
		other := s
		if tt.change(&other); other.Good(now.Add(tt.after)) != tt.good {
			t.Errorf("%s: good after %v is %v", name, tt.after, !tt.good)
		}
	}
	for _, spoil := range []func(*Session){
		func(s *Session) { s.ID = "short" }, func(s *Session) { s.ID = strings.ToUpper(s.ID[:25]) + "A" },
		func(s *Session) { s.UserID = "" }, func(s *Session) { s.Generation = 0 }, func(s *Session) { s.Until = now },
	} {
		other := s
		if spoil(&other); other.Validate() == nil {
			t.Errorf("accepted: %+v", other)
		}
	}
}
