package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tidegate/store"
)

// testStateLifecycle: comings and goings are answered newest first, page by
// page, whether they wait or are on disk, and never more than is kept.
func testStateLifecycle(t *testing.T, open func(testing.TB, string) store.State) {
	ctx, dir := t.Context(), t.TempDir()
	s := openBound(t, open, dir)
	base := store.Time(time.Now().Add(-time.Hour).UnixMilli())
	add := func(uid uint32, at store.Time, status, reason string, source store.LifecycleSource) {
		s.AddLifecycle(uid, store.LifecycleEvent{At: at, Status: status, Reason: reason, Source: source})
	}
	list := func(f store.LifecycleFilter) []string {
		t.Helper()
		if f.Limit == 0 {
			f.Limit = 1000
		}
		events, err := s.ListLifecycle(ctx, f)
		must(t, err)
		out := []string{}
		for _, e := range events {
			out = append(out, fmt.Sprintf("%d %s %s %s", e.At-base, e.Status, e.Reason, e.Source))
		}
		return out
	}
	same := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%q\nwant\n%q", what, got, want)
		}
	}
	add(7, base, "online", "connected", store.LifecycleServer)
	add(7, base+1, "ready", "booted", store.LifecycleDevice)
	add(7, base+2, "ready", "booted", store.LifecycleDevice) // again, unchanged
	must(t, s.Flush(ctx, 0))
	add(7, base+3, "offline", "disconnected", store.LifecycleServer)
	add(7, base+3, "online", "connected", store.LifecycleServer) // in the same millisecond
	add(7, base+2, "online", "late", store.LifecycleDevice)      // a clock that was set back
	add(8, base, "online", "connected", store.LifecycleServer)
	add(1<<32-1, base, "online", "connected", store.LifecycleServer)
	add(9, store.Time(time.Now().Add(-store.LifecycleAge-time.Hour).UnixMilli()), "online", "connected", store.LifecycleServer)
	all := []string{"3 online connected server", "3 offline disconnected server", "2 online late device", "1 ready booted device", "0 online connected server"}
	for _, when := range []string{"partly on disk", "on disk"} {
		same(when, list(store.LifecycleFilter{UID: 7}), all...)
		same(when+", a span", list(store.LifecycleFilter{UID: 7, From: base + 1, To: base + 3}), all[2:4]...)
		same(when+", the newest", list(store.LifecycleFilter{UID: 7, Limit: 1}), all[0])
		same(when+", another device", list(store.LifecycleFilter{UID: 8}), all[4])
		same(when+", the last device", list(store.LifecycleFilter{UID: 1<<32 - 1}), all[4])
		same(when+", too old", list(store.LifecycleFilter{UID: 9}))
		same(when+", nobody", list(store.LifecycleFilter{UID: 6}))
		var paged []string
		f := store.LifecycleFilter{UID: 7, Limit: 2}
		for range all {
			events, err := s.ListLifecycle(ctx, f)
			must(t, err)
			if len(events) == 0 {
				break
			}
			f.After = &events[len(events)-1]
			for _, e := range events {
				paged = append(paged, fmt.Sprintf("%d %s %s %s", e.At-base, e.Status, e.Reason, e.Source))
			}
		}
		same(when+", by pages", paged, all...)
		must(t, s.Flush(ctx, 0))
	}
	if _, err := s.ListLifecycle(ctx, store.LifecycleFilter{UID: 7}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no limit: %v", err)
	}
	for i := range store.Time(2*store.LifecycleKept + 1) { // also more than is kept at once
		add(8, base+10+i, "online", "connected", store.LifecycleServer)
		if i == store.LifecycleKept/2 {
			must(t, s.Flush(ctx, 0))
		}
	}
	for range 2 {
		if got := list(store.LifecycleFilter{UID: 8, Limit: 10_000}); len(got) != store.LifecycleKept || got[0] != fmt.Sprintf("%d online connected server", 2*store.LifecycleKept+10) {
			t.Errorf("%d events are kept, the newest %q", len(got), got[0])
		}
		must(t, s.Flush(ctx, 0))
	}
	must(t, s.DeleteLifecycle(ctx, 7))
	if events, err := s.ListLifecycles(ctx, store.LifecyclesFilter{UIDs: []uint32{7, 1<<32 - 1}, Limit: 10}); err != nil || len(events) != 1 || events[0].UID != 1<<32-1 {
		t.Errorf("of a deleted device and another: %+v: %v", events, err)
	}
	same("deleted", list(store.LifecycleFilter{UID: 7}))
	must(t, s.DeleteLifecycle(ctx, 7))
	if got := list(store.LifecycleFilter{UID: 8}); len(got) != store.LifecycleKept {
		t.Errorf("of another device %d are left", len(got))
	}
	must(t, s.Close())
}

// testStateLifecycles: the list of several devices is that of each, put together,
// whatever waits, is on disk, or is both; and so it is page by page.
func testStateLifecycles(t *testing.T, open func(testing.TB, string) store.State) {
	ctx := t.Context()
	s := openBound(t, open, t.TempDir())
	base := store.Time(time.Now().Add(-time.Hour).UnixMilli())
	uids := []uint32{1, 2, 3, 40, 41, 1<<32 - 1} // nothing is told of 3
	list := func(f store.LifecyclesFilter) []store.DeviceLifecycle {
		t.Helper()
		events, err := s.ListLifecycles(ctx, f)
		must(t, err)
		return events
	}
	same := func(what string, got, want []store.DeviceLifecycle) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s:\n%+v\nwant\n%+v", what, got, want)
		}
	}
	old := store.LifecycleEvent{At: store.Time(time.Now().Add(-store.LifecycleAge - time.Hour).UnixMilli()), Status: "online", Source: store.LifecycleServer}
	s.AddLifecycle(2, old)
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 4 {
		for range 60 {
			uid := uids[r.IntN(len(uids))]
			if uid == 3 {
				uid = 4 // which nobody asks for
			}
			// Many in one millisecond, and some of a clock that was set back.
			s.AddLifecycle(uid, store.LifecycleEvent{At: base + store.Time(round*5+r.IntN(9)), Status: "online", Reason: fmt.Sprint(r.IntN(1000)), Source: store.LifecycleServer})
		}
		if round == 3 { // all is on disk
			must(t, s.Flush(ctx, 0))
		}
		var want []store.DeviceLifecycle
		for _, uid := range uids {
			events, err := s.ListLifecycle(ctx, store.LifecycleFilter{UID: uid, Limit: 1000})
			must(t, err)
			for _, e := range events {
				want = append(want, store.DeviceLifecycle{UID: uid, LifecycleEvent: e})
			}
		}
		slices.SortFunc(want, func(a, b store.DeviceLifecycle) int {
			return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(b.Seq, a.Seq))
		})
		same("all", list(store.LifecyclesFilter{UIDs: uids, Limit: 1000}), want)
		for _, n := range []int{1, 2, 3, 17} {
			what := fmt.Sprintf("round %d, pages of %d", round, n)
			var paged, span []store.DeviceLifecycle
			for f := (store.LifecyclesFilter{UIDs: uids, Limit: n}); ; {
				page := list(f)
				if len(page) == 0 {
					break
				}
				if f.After = &page[len(page)-1].LifecycleEvent; len(paged) > len(want) {
					t.Fatalf("%s: they never end", what)
				}
				paged = append(paged, page...)
			}
			same(what, paged, want)
			from, to := base+3, base+store.Time(4+n)
			for _, e := range want {
				if e.At >= from && e.At < to {
					span = append(span, e)
				}
			}
			same(what+", a span", list(store.LifecyclesFilter{UIDs: uids, From: from, To: to, Limit: 1000}), span)
			if len(span) > 1 {
				same(what+", a span that goes on", list(store.LifecyclesFilter{UIDs: uids, From: from, To: to, After: &span[0].LifecycleEvent, Limit: 1000}), span[1:])
				same(what+", behind a place before the span", list(store.LifecyclesFilter{UIDs: uids, From: from, To: to, After: &store.LifecycleEvent{At: to + 1}, Limit: 1}), span[:1])
			}
		}
		if round != 1 { // the next round waits beside what is on disk, or beside what waits
			must(t, s.Flush(ctx, 0))
		}
	}
	for _, none := range [][]uint32{nil, {3}} {
		same(fmt.Sprint(none), list(store.LifecyclesFilter{UIDs: none, Limit: 5}), nil)
	}
	if _, err := s.ListLifecycles(ctx, store.LifecyclesFilter{UIDs: uids}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("no limit: %v", err)
	}
	must(t, s.Close())
	if _, err := s.ListLifecycles(ctx, store.LifecyclesFilter{UIDs: uids, Limit: 1}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("closed: %v", err)
	}
}

// testStateLifecycleCrash: what was flushed survives, what was not is gone and
// nothing is made up; who was there at the end is told to be gone, once.
func testStateLifecycleCrash(t *testing.T, open func(testing.TB, string) store.State) {
	ctx, dir := t.Context(), t.TempDir()
	s := openBound(t, open, dir)
	at := store.Time(time.Now().Add(-time.Hour).UnixMilli())
	says := func(uid uint32, status string, source store.LifecycleSource) {
		at++
		s.AddLifecycle(uid, store.LifecycleEvent{At: at, Status: status, Reason: "r", Source: source})
	}
	says(1, store.StatusOnline, store.LifecycleServer)
	says(1, "offline", store.LifecycleDevice) // what it says itself changes nothing of it
	says(2, store.StatusOnline, store.LifecycleServer)
	says(2, store.StatusOffline, store.LifecycleServer)
	says(3, "online", store.LifecycleDevice) // never connected
	says(5, store.StatusOnline, store.LifecycleServer)
	must(t, s.Flush(ctx, 0))
	image := crashImage(t, dir)
	says(5, store.StatusOffline, store.LifecycleServer)
	says(6, store.StatusOnline, store.LifecycleServer)
	must(t, s.Close())

	s = openBound(t, open, image)
	end := at + 100
	for range 2 {
		must(t, s.EndLifecycles(ctx, end, "server stopped"))
		for uid, want := range map[uint32]int{1: 3, 2: 2, 3: 1, 5: 2, 6: 0} {
			events, err := s.ListLifecycle(ctx, store.LifecycleFilter{UID: uid, Limit: 10})
			must(t, err)
			if len(events) != want {
				t.Errorf("device %d has %d events, want %d: %+v", uid, len(events), want, events)
			}
			if uid == 1 || uid == 5 {
				if e := events[0]; e.At != end || e.Status != store.StatusOffline || e.Reason != "server stopped" || e.Source != store.LifecycleServer {
					t.Errorf("device %d ends with %+v", uid, e)
				}
			}
		}
	}
	must(t, s.Close())
}
