package live_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/ingest/live"
	"tidegate/store"
)

var all = live.Filter{Kinds: live.AllKinds, Access: store.Everything()}

func since(t *testing.T, h *live.Hub, f live.Filter, stream string, after uint64) *live.Sub {
	t.Helper()
	s, err := h.SubscribeSince(f, live.Since{Stream: stream, After: after}, make(chan struct{}, 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestResume: who comes back gets what it missed, each once, and what is not
// there any more is not passed off as nothing.
func TestResume(t *testing.T) {
	h := newHub(t, live.Options{RecentLength: 8})
	first := subscribe(t, h, all)
	publish := func(n int) {
		for i := range n {
			h.Publish([]live.Event{reading("d1", 1, int64(i), float64(h.Seq()+1))})
		}
	}
	publish(3)
	b := next(t, first)
	heard := b.Events[1].Seq
	first.Close()
	publish(4) // nobody watches
	for _, c := range []struct {
		name    string
		stream  string
		after   uint64
		resumed bool
		events  int
	}{
		{"behind the second", h.Stream(), heard, true, 5},
		{"with the newest", h.Stream(), h.Seq(), true, 0},
		{"from before the first", h.Stream(), first.Begin, true, 7},
		{"from before the stream", h.Stream(), 0, false, 0},
		{"from what is still to come", h.Stream(), h.Seq() + 1, false, 0},
		{"of another start", "another", heard, false, 0},
		{"of none", "", heard, false, 0},
	} {
		s := since(t, h, all, c.stream, c.after)
		got := s.Take()
		if s.Resumed != c.resumed || len(got.Events) != c.events {
			t.Errorf("%s: resumed %v with %d events, want %v and %d", c.name, s.Resumed, len(got.Events), c.resumed, c.events)
		}
		for i, e := range got.Events {
			if e.Seq != c.after+uint64(i)+1 || e.Reading.RawValue != float64(e.Seq) {
				t.Errorf("%s: event %d is %d, value %g", c.name, i, e.Seq, e.Reading.RawValue)
			}
		}
		s.Close()
	}
	publish(3) // ten in all, of which eight are kept
	if s := since(t, h, all, h.Stream(), heard); !s.Resumed || len(s.Take().Events) != 8 {
		t.Error("the eight that are kept were not enough for who missed eight")
	}
	publish(1)
	if s := since(t, h, all, h.Stream(), heard); s.Resumed {
		t.Error("resumed, where one that was missed is gone")
	}
	// What overflows the queue of who comes back is told as skipped.
	small := newHub(t, live.Options{QueueLength: 4})
	subscribe(t, small, all)
	for i := range 10 {
		small.Publish([]live.Event{reading("d1", 1, int64(i), 0)})
	}
	s := since(t, small, all, small.Stream(), 1)
	if b := s.Take(); !s.Resumed || len(b.Events)+int(b.SkippedReadings) != 10 || b.Events[len(b.Events)-1].Seq != small.Seq() {
		t.Errorf("resumed %v, %d events, %d skipped", s.Resumed, len(b.Events), b.SkippedReadings)
	}
}

// TestResumeIsBoundedByBytes: a few heavy events push out the rest.
func TestResumeIsBoundedByBytes(t *testing.T) {
	h := newHub(t, live.Options{RecentBytes: 100 << 10})
	f := all
	f.Devices = map[string]struct{}{"d1": {}}
	s := subscribe(t, h, f)
	for range 100 {
		h.Publish([]live.Event{{Kind: live.KindMessage, DeviceID: "d1", Body: make([]byte, 10<<10)}, reading("d1", 1, 1, 1)})
		s.Take()
	}
	if r := since(t, h, f, h.Stream(), s.Begin); r.Resumed {
		t.Error("2 MB of events fit into 100 kB")
	}
	if r := since(t, h, f, h.Stream(), h.Seq()-4); !r.Resumed || len(r.Take().Events) != 4 {
		t.Error("the last four are not there")
	}
}

// TestSleep: events are kept for a while after the last watcher, and not beyond;
// who comes later does not go on as if nothing had happened meanwhile.
func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := live.New(live.Options{Linger: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		f := all
		f.Devices = map[string]struct{}{"d1": {}}
		watch := func(after uint64) *live.Sub { return since(t, h, f, h.Stream(), after) }
		e := []live.Event{reading("d1", 1, 1, 1)}
		h.Publish(e)
		if h.Seq() != 0 {
			t.Error("an event has a number, and nobody watches")
		}
		s := watch(0)
		h.Publish(e)
		s.Close()
		<-time.After(59 * time.Second)
		if !h.Wants(live.KindMessage, "d1") {
			t.Error("messages are not made for who may come back")
		}
		h.Publish(e)
		s = watch(s.Begin)
		if b := s.Take(); !s.Resumed || len(b.Events) != 2 {
			t.Errorf("after 59 s: resumed %v with %d events", s.Resumed, len(b.Events))
		}
		<-time.After(time.Hour) // it watches on
		synctest.Wait()
		h.Publish(e)
		heard := h.Seq()
		if len(s.Take().Events) != 1 {
			t.Error("the hub sleeps while somebody watches")
		}
		s.Close()
		<-time.After(61 * time.Second)
		synctest.Wait()
		if h.Active() || h.Wants(live.KindMessage, "d1") {
			t.Error("the hub is awake, and nobody has watched for a minute")
		}
		h.Publish(e) // lost
		if s = watch(heard); s.Resumed {
			t.Error("resumed over a time in which nothing was kept")
		}
		s.Close()
	})
}

// TestResumeOfMessages: those of a device are kept as long as somebody inspects
// it, and a moment longer.
func TestResumeOfMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := live.New(live.Options{Linger: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		stays := subscribe(t, h, all) // keeps the hub awake
		f := all
		f.Devices = map[string]struct{}{"d1": {}}
		s := subscribe(t, h, f)
		e := []live.Event{{Kind: live.KindMessage, DeviceID: "d1", Body: []byte(`{"bytes":1}`)}}
		h.Publish(e)
		s.Close()
		h.Publish(e)
		if s = since(t, h, f, h.Stream(), s.Begin); !s.Resumed || len(s.Take().Events) != 2 {
			t.Error("not resumed at once")
		}
		heard := h.Seq()
		s.Close()
		<-time.After(2 * time.Minute)
		synctest.Wait()
		if h.Wants(live.KindMessage, "d1") {
			t.Error("messages of d1 are made, and nobody inspects it")
		}
		h.Publish([]live.Event{reading("d1", 1, 1, 1)})
		if s = since(t, h, f, h.Stream(), heard); s.Resumed {
			t.Error("resumed over a time in which no messages were made")
		}
		s.Close()
		stays.Close()
	})
}

// TestResumeSeesWithTodaysEyes: what is kept of others is not given, and nothing
// of an organization that was deleted.
func TestResumeSeesWithTodaysEyes(t *testing.T) {
	h := newHub(t, live.Options{})
	s := subscribe(t, h, all)
	for _, org := range []string{"ours", "theirs"} {
		h.Publish([]live.Event{
			{Kind: live.KindReading, OrgID: org, DeviceID: org + "-d1", Reading: store.Reading{DeviceID: org + "-d1", PortNumber: 1}},
			{Kind: live.KindAlert, OrgID: org, DeviceID: org + "-d1", Alert: &store.AlertEvent{OrgID: org, DeviceID: org + "-d1"}},
			{Kind: live.KindRejection, OrgID: org, Line: "x"},
		})
	}
	f := live.Filter{Kinds: live.AllKinds, Access: store.RoleAccess(store.RoleViewer, "ours")}
	r := since(t, h, f, h.Stream(), s.Begin)
	got := r.Take()
	for _, e := range got.Events {
		if e.OrgID != "ours" {
			t.Errorf("a viewer of ours is given an event of %s", e.OrgID)
		}
	}
	if len(got.Events) != 3 {
		t.Errorf("%d events of ours, want 3", len(got.Events))
	}
	h.Forget("ours")
	if r := since(t, h, f, h.Stream(), s.Begin); !r.Resumed || len(r.Take().Events) != 0 {
		t.Error("the next ours is given events of the one before")
	}
}

// TestFilterLetsGoOfWhatWaits: who sees less from now on does not get what
// waits.
func TestFilterLetsGoOfWhatWaits(t *testing.T) {
	h := newHub(t, live.Options{})
	s := subscribe(t, h, all)
	h.Publish([]live.Event{reading("d1", 1, 1, 1), {Kind: live.KindRejection, OrgID: "other", Line: "x"}, {Kind: live.KindLifecycle, OrgID: "other", DeviceID: "d2"}})
	s.Filter(live.Filter{Kinds: live.AllKinds, Access: store.RoleAccess(store.RoleViewer, "other")})
	b := s.Take()
	if len(b.Events) != 2 || b.Events[0].OrgID != "other" {
		t.Errorf("%d events wait", len(b.Events))
	}
}

// TestNarrow chooses by organization, device and port at once.
func TestNarrow(t *testing.T) {
	set := func(ids ...string) map[string]struct{} {
		m := map[string]struct{}{}
		for _, id := range ids {
			m[id] = struct{}{}
		}
		return m
	}
	var events []live.Event
	for _, org := range []string{"a", "b"} {
		for _, d := range []string{"1", "2"} {
			id := org + d
			for p := range uint16(2) {
				events = append(events,
					live.Event{Kind: live.KindReading, OrgID: org, DeviceID: id, Reading: store.Reading{DeviceID: id, PortNumber: p}},
					live.Event{Kind: live.KindAlert, OrgID: org, DeviceID: id, Alert: &store.AlertEvent{OrgID: org, DeviceID: id, PortNumber: p}})
			}
			events = append(events, live.Event{Kind: live.KindLifecycle, OrgID: org, DeviceID: id}, live.Event{Kind: live.KindMessage, OrgID: org, DeviceID: id, Body: []byte("{}")})
		}
	}
	for _, c := range []struct {
		name string
		f    live.Filter
		want int
	}{
		{"all but messages", live.Filter{}, 20},
		{"an organization", live.Filter{OrgID: "a"}, 10},
		{"devices", live.Filter{Devices: set("a1", "b2")}, 12},
		{"a device of another organization", live.Filter{OrgID: "a", Devices: set("b1")}, 0},
		{"a port", live.Filter{Ports: map[live.Port]struct{}{{DeviceID: "a1", Number: 1}: {}}}, 3},
		{"a port and its device", live.Filter{Devices: set("a1"), Ports: map[live.Port]struct{}{{DeviceID: "a1", Number: 1}: {}}}, 4},
		{"a port and another device", live.Filter{Devices: set("a2"), Ports: map[live.Port]struct{}{{DeviceID: "a1", Number: 1}: {}}}, 0},
	} {
		h := newHub(t, live.Options{})
		c.f.Kinds, c.f.Access = live.AllKinds, store.Everything()
		s := subscribe(t, h, c.f)
		for range 2 { // the second time by what was found out
			h.Publish(events)
			if n := len(s.Take().Events); n != c.want {
				t.Errorf("%s: %d events, want %d", c.name, n, c.want)
			}
		}
	}
}

// TestNothingBetweenSnapshotAndChanges: a model of who reads the newest state
// after Subscribe, while it changes. Run under the race detector.
func TestNothingBetweenSnapshotAndChanges(t *testing.T) {
	h := newHub(t, live.Options{})
	subscribe(t, h, all) // numbers begin
	var mu sync.Mutex
	stored := 0
	const changes = 2000
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 1; i <= changes; i++ {
			mu.Lock()
			stored = i // stored before it is told
			mu.Unlock()
			h.Publish([]live.Event{reading("d1", 1, int64(i), float64(i))})
		}
	})
	for w := range 8 {
		wg.Go(func() {
			var heard uint64
			for newest := 0; newest < changes; {
				s, err := h.SubscribeSince(all, live.Since{Stream: h.Stream(), After: heard}, make(chan struct{}, 1))
				if err != nil {
					t.Error(err)
					return
				}
				if heard == 0 || !s.Resumed {
					mu.Lock()
					newest = stored
					mu.Unlock()
				}
				for range 3 {
					for _, e := range s.Take().Events {
						if v := int(e.Reading.RawValue); v > newest+1 {
							t.Errorf("watcher %d: %d came behind %d", w, v, newest)
							s.Close()
							return
						} else if v > newest {
							newest = v
						}
						heard = e.Seq
					}
				}
				s.Close()
			}
		})
	}
	wg.Wait()
}

// BenchmarkPublish is what a batch of 100 readings costs its publisher, by how
// many watch 1,000 ports.
func BenchmarkPublish(b *testing.B) {
	ports := map[live.Port]struct{}{}
	for d := range 100 {
		for p := range uint16(10) {
			ports[live.Port{DeviceID: fmt.Sprint("device-", d), Number: p}] = struct{}{}
		}
	}
	for _, watchers := range []int{0, 1, 10, 100, 1000} {
		b.Run(fmt.Sprint(watchers, " watchers"), func(b *testing.B) {
			h, err := live.New(live.Options{})
			if err != nil {
				b.Fatal(err)
			}
			var subs []*live.Sub
			for range watchers {
				s, err := h.Subscribe(live.Filter{Kinds: live.DefaultKinds, Access: store.RoleAccess(store.RoleViewer, "acme"), Ports: ports})
				if err != nil {
					b.Fatal(err)
				}
				subs = append(subs, s)
			}
			var events []live.Event
			for i := range 100 {
				events = append(events, reading(fmt.Sprint("device-", i), uint16(i%10), 1, 1))
			}
			n := 0
			for b.Loop() {
				h.Publish(events)
				if n++; n%10 == 0 {
					for _, s := range subs {
						s.Take()
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/event")
		})
	}
}

// TestResumeOfReadings: readings are kept while a subscription wants any, and a
// moment longer; pages that want none cost a publisher nothing.
func TestResumeOfReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := live.New(live.Options{Linger: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		quiet := subscribe(t, h, live.Filter{Kinds: live.Kinds(0).With(live.KindLifecycle), Access: all.Access})
		defer quiet.Close()
		e := []live.Event{reading("d1", 1, 1, 1)}
		before := h.Seq()
		h.Publish(e)
		if h.Wants(live.KindReading, "d1") || h.Seq() != before || !h.Wants(live.KindLifecycle, "d1") {
			t.Error("readings are made, and nobody wants any")
		}
		readings := live.Filter{Kinds: live.Kinds(0).With(live.KindReading), Access: all.Access}
		if s := since(t, h, readings, h.Stream(), before); s.Resumed {
			t.Error("resumed over readings that were not kept")
		} else {
			s.Close()
		}
		s := subscribe(t, h, readings)
		h.Publish(e)
		heard := h.Seq()
		s.Close()
		<-time.After(59 * time.Second)
		h.Publish(e)
		s = since(t, h, readings, h.Stream(), heard)
		if got := len(s.Take().Events); !s.Resumed || got != 1 {
			t.Errorf("after 59 s: resumed %v with %d readings", s.Resumed, got)
		}
		<-time.After(time.Hour)
		synctest.Wait()
		if !h.Wants(live.KindReading, "d1") {
			t.Error("readings are not made while somebody wants them")
		}
		s.Filter(live.Filter{Kinds: live.Kinds(0).With(live.KindLifecycle), Access: all.Access})
		heard = h.Seq()
		<-time.After(61 * time.Second)
		synctest.Wait()
		if h.Wants(live.KindReading, "d1") {
			t.Error("readings are made a minute after the last wish")
		}
		h.Publish(e)
		if s := since(t, h, readings, h.Stream(), heard); s.Resumed {
			t.Error("resumed over a time in which no readings were kept")
		}
		if b := quiet.Take(); len(b.Events) != 0 || b.Skipped != 0 {
			t.Errorf("who wants none hears of readings: %+v", b)
		}
	})
}
