package ingest

import (
	"testing"
	"time"
)

func TestPulse(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	p := &Pipeline{o: Options{Now: func() time.Time { return now }}, pulses: newPulses()}
	beat := func(uid uint32, source Source, n int) {
		p.pulses.beat(&Message{UID: uid, Source: source, ReceivedAt: now.UnixMilli(), count: n})
	}
	wants := func(what string, uid uint32, rate float64, at time.Time) {
		t.Helper()
		if heard, got := p.Pulse(uid); got != rate || !heard.Equal(at) {
			t.Errorf("%s: %g a second, heard at %v, want %g and %v", what, got, heard, rate, at)
		}
	}
	wants("nothing came", 1, 0, time.Time{})
	for range 20 {
		beat(1, SourceMQTT, 5)
		beat(2, SourceImport, 50)
		now = now.Add(time.Second)
	}
	last := now.Add(-time.Second)
	wants("steady", 1, 5, last)
	wants("an import is not a device that is heard", 2, 50, time.Time{})
	now = now.Add(5 * time.Second)
	wants("five seconds later", 1, 2.5, last)
	now = now.Add(time.Minute)
	wants("a minute later", 1, 0, last)
	beat(1, SourceHTTP, 40)
	back := now
	now = now.Add(time.Second)
	wants("it is back", 1, 4, back)
	now = now.Add(-time.Hour) // the clock is set back
	beat(1, SourceMQTT, 10)
	now = now.Add(time.Second)
	wants("a clock that was set back", 1, 1, back)
}
