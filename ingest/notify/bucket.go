package notify

import "time"

// bucket holds the messages that may go now. It fills by perHour an hour, up to
// ten minutes' worth.
type bucket struct {
	perHour int
	tokens  float64
	at      time.Time
}

func (b *bucket) size() float64 { return max(1, float64(b.perHour)/6) }

// fill brings it to now, under a rate that may have been changed.
func (b *bucket) fill(now time.Time, perHour int) {
	if b.at.IsZero() {
		b.perHour, b.at = perHour, now
		b.tokens = b.size()
	}
	if passed := now.Sub(b.at); passed > 0 {
		b.tokens += passed.Hours() * float64(b.perHour)
	}
	b.at = now // also when the clock was set back
	b.perHour = perHour
	b.tokens = min(b.tokens, b.size())
}

// wait answers how long until there is a token.
func (b *bucket) wait() time.Duration {
	if b.tokens >= 1 {
		return 0
	}
	// A little more, so that it is there for certain.
	return time.Duration((1-b.tokens)/float64(b.perHour)*float64(time.Hour)) + time.Millisecond
}
