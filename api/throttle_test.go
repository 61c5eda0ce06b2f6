package api

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// clockThrottle answers a throttle whose time the test moves.
func clockThrottle() (*throttle, *time.Time) {
	now := time.Unix(1_700_000_000, 0)
	return newThrottle(func() time.Time { return now }), &now
}

// waits answers how long an attempt has to wait; 0: it was let through.
func (t *throttle) waits(addr, email string, atHome bool) time.Duration {
	_, err := t.begin(addr, email, atHome)
	var p *Problem
	if errors.As(err, &p) {
		return time.Duration(p.retryAfter) * time.Second
	}
	return 0
}

func TestThrottleOfAnAddressForAUser(t *testing.T) {
	th, now := clockThrottle()
	for i := range pairFailures {
		if w := th.waits("192.0.2.1", "ann@x.org", true); w != 0 {
			t.Fatalf("attempt %d waits %v", i, w)
		}
		*now = now.Add(time.Second)
	}
	want := throttleWindow - pairFailures*time.Second
	if w := th.waits("192.0.2.1", "ANN@x.org", true); w != want {
		t.Errorf("the attempt after waits %v, want %v", w, want)
	}
	for _, other := range [][2]string{{"192.0.2.2", "ann@x.org"}, {"192.0.2.1", "bob@x.org"}} {
		if w := th.waits(other[0], other[1], false); w != 0 {
			t.Errorf("%v waits %v", other, w)
		}
	}
	*now = now.Add(want)
	if w := th.waits("192.0.2.1", "ann@x.org", false); w != 0 {
		t.Errorf("after the window it waits %v", w)
	}
	for range pairFailures {
		th.waits("2001:db8::1", "ann@x.org", false)
	}
	if th.waits("2001:db8::2", "ann@x.org", false) == 0 {
		t.Error("a neighbour in the same /64 does not wait")
	}
	if w := th.waits("", "ann@x.org", false); w != 0 {
		t.Errorf("the socket waits %v", w)
	}
}

// TestThrottleAfterSuccess: a person's mistakes are forgotten, and a login of
// one's own buys no guesses of another's password.
func TestThrottleAfterSuccess(t *testing.T) {
	th, _ := clockThrottle()
	login := func(email string) attempt {
		t.Helper()
		try, err := th.begin("192.0.2.1", email, false)
		if err != nil {
			t.Fatal(err)
		}
		return try
	}
	for range 20 { // days of mistyping
		for range pairFailures - 1 {
			login("ann@x.org")
		}
		login("ann@x.org").succeeded()
	}
	if n := len(th.pairs.seen) + len(th.address.seen) + len(th.users.seen) + len(th.box.seen); n != 0 {
		t.Errorf("%d counters are left", n)
	}
	guesses := 0
	for i := range 100 {
		if th.waits("192.0.2.1", fmt.Sprintf("victim%d@x.org", i), false) == 0 {
			guesses++
		}
		if try, err := th.begin("192.0.2.1", "mallory@x.org", false); err == nil {
			try.succeeded()
		}
	}
	if guesses > addressFailures {
		t.Errorf("%d guesses, %d are allowed", guesses, addressFailures)
	}
}

// TestThrottleOfManyAddresses: together they get no more guesses, and the user
// goes on logging in at home.
func TestThrottleOfManyAddresses(t *testing.T) {
	th, now := clockThrottle()
	addr := netip.MustParseAddr("10.0.0.0")
	guesses := 0
	for range 3 * userFailures {
		addr = addr.Next()
		if th.waits(addr.String(), "ann@x.org", false) == 0 {
			guesses++
		}
	}
	if guesses != userFailures {
		t.Errorf("%d guesses, %d are allowed", guesses, userFailures)
	}
	if w := th.waits("192.0.2.1", "ann@x.org", false); w <= throttleWindow {
		t.Errorf("elsewhere she waits %v", w)
	}
	if w := th.waits("192.0.2.1", "ann@x.org", true); w != 0 {
		t.Errorf("at home she waits %v", w)
	}
	*now = now.Add(userWindow)
	if w := th.waits("192.0.2.1", "ann@x.org", false); w != 0 {
		t.Errorf("after the window she waits %v", w)
	}

	guesses = 0
	for i := range 2 * boxFailures {
		addr = addr.Next()
		if th.waits(addr.String(), fmt.Sprintf("user%d@x.org", i), false) == 0 {
			guesses++
		}
	}
	if guesses > boxFailures {
		t.Errorf("%d guesses on the box, %d are allowed", guesses, boxFailures)
	}
	if w := th.waits("192.0.2.1", "ann@x.org", true); w != 0 {
		t.Errorf("at home she waits %v", w)
	}
}

func TestThrottleForgetsTheOldest(t *testing.T) {
	c := newCounters[int](1, throttleWindow)
	now := time.Unix(0, 0)
	for i := range throttleKept + 100 {
		c.add(i, now)
		now = now.Add(time.Millisecond)
	}
	if _, oldest := c.seen[99]; len(c.seen) != throttleKept || oldest || c.wait(100, now) == 0 {
		t.Errorf("%d are kept", len(c.seen))
	}
	if c.add(-1, now.Add(throttleWindow)); len(c.seen) != 1 {
		t.Errorf("%d are kept after the window", len(c.seen))
	}
}
