package live_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/ingest/live"
	"tidegate/store"
)

func reading(device string, port uint16, ts int64, v float64) live.Event {
	return live.Event{
		Kind: live.KindReading, OrgID: "acme", DeviceID: device,
		Reading: store.Reading{DeviceID: device, PortNumber: port, TS: store.Time(ts), RawValue: v},
	}
}

func newHub(t *testing.T, o live.Options) *live.Hub {
	t.Helper()
	o.Registerer = prometheus.NewRegistry()
	h, err := live.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func subscribe(t *testing.T, h *live.Hub, f live.Filter) *live.Sub {
	t.Helper()
	s, err := h.Subscribe(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func next(t *testing.T, s *live.Sub) live.Batch {
	t.Helper()
	b, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// split answers the readings of a batch and the rest.
func split(b live.Batch) (readings []store.Reading, others []*live.Told) {
	for _, e := range b.Events {
		if e.Kind == live.KindReading {
			readings = append(readings, e.Reading)
			continue
		}
		others = append(others, e)
	}
	return readings, others
}

func TestAllEventsInOrderWhileItKeepsUp(t *testing.T) {
	h := newHub(t, live.Options{})
	s := subscribe(t, h, live.Filter{Kinds: live.AllKinds, Access: store.Everything()})
	h.Publish([]live.Event{
		reading("d1", 1, 10, 1), reading("d1", 1, 20, 2), reading("d1", 2, 10, 3),
		{Kind: live.KindLifecycle, OrgID: "acme", DeviceID: "d1", Status: "online"},
	})
	b := next(t, s)
	readings, others := split(b)
	if len(readings) != 3 || readings[1].RawValue != 2 || len(others) != 1 || b.Skipped+b.SkippedReadings != 0 {
		t.Errorf("batch %+v", b)
	}
	for i, e := range b.Events {
		if e.Seq != s.Begin+uint64(i)+1 {
			t.Errorf("event %d has number %d behind %d", i, e.Seq, s.Begin)
		}
	}
}

func TestFilter(t *testing.T) {
	ports := map[live.Port]struct{}{{DeviceID: "d1", Number: 2}: {}}
	events := []live.Event{
		reading("d1", 1, 1, 1), reading("d1", 2, 1, 2), reading("d2", 2, 1, 3),
		{Kind: live.KindRejection, OrgID: "acme", DeviceID: "d1", Line: "one"},
		{Kind: live.KindRejection, OrgID: "acme", DeviceID: "d2", Line: "two"},
		{Kind: live.KindLifecycle, OrgID: "other", DeviceID: "d9"},
	}
	for _, c := range []struct {
		name             string
		filter           live.Filter
		readings, others int
	}{
		{"all", live.Filter{Kinds: live.AllKinds, Access: store.Everything()}, 3, 3},
		{"one kind", live.Filter{Kinds: live.Kinds(0).With(live.KindReading), Access: store.Everything()}, 3, 0},
		{"one organization", live.Filter{Kinds: live.AllKinds, Access: store.RoleAccess(store.RoleViewer, "other")}, 0, 1},
		{"ports", live.Filter{Kinds: live.AllKinds, Ports: ports, Access: store.Everything()}, 1, 1},
	} {
		h := newHub(t, live.Options{})
		s := subscribe(t, h, c.filter)
		h.Publish(events)
		readings, others := split(next(t, s))
		if len(readings) != c.readings || len(others) != c.others {
			t.Errorf("%s: %d readings and %d others, want %d and %d", c.name, len(readings), len(others), c.readings, c.others)
		}
	}
}

func TestSlowSubscriberKeepsTheNewestOfEachPort(t *testing.T) {
	h := newHub(t, live.Options{QueueLength: 64})
	s := subscribe(t, h, live.Filter{Kinds: live.AllKinds, Access: store.Everything()})
	const rounds, ports = 1000, 4
	for i := range rounds {
		for p := range uint16(ports) {
			h.Publish([]live.Event{reading("d1", p, int64(i), float64(i))})
		}
	}
	b := next(t, s)
	readings, _ := split(b)
	if len(readings) > 64 {
		t.Errorf("%d readings wait, more than the queue's 64", len(readings))
	}
	if got := uint64(len(readings)) + b.SkippedReadings; got != rounds*ports {
		t.Errorf("seen and skipped make %d, want %d", got, rounds*ports)
	}
	newest := map[uint16]float64{}
	for _, r := range readings {
		if r.RawValue < newest[r.PortNumber] {
			t.Errorf("port %d goes back from %g to %g", r.PortNumber, newest[r.PortNumber], r.RawValue)
		}
		newest[r.PortNumber] = r.RawValue
	}
	for p := range uint16(ports) {
		if newest[p] != rounds-1 {
			t.Errorf("port %d ends at %g", p, newest[p])
		}
	}
}

func TestMorePortsThanTheQueueStaysBounded(t *testing.T) {
	h := newHub(t, live.Options{QueueLength: 16, RingLength: 4})
	s := subscribe(t, h, live.Filter{Kinds: live.AllKinds, Access: store.Everything()})
	for p := range uint16(1000) {
		h.Publish([]live.Event{reading("d1", p, 1, 1), {Kind: live.KindLifecycle, DeviceID: "d1"}})
	}
	b := next(t, s)
	readings, others := split(b)
	if len(readings) > 16 || len(others) > 4 {
		t.Errorf("%d readings and %d others wait", len(readings), len(others))
	}
	if len(readings)+int(b.SkippedReadings) != 1000 || len(others)+int(b.Skipped) != 1000 {
		t.Errorf("%d readings and %d others, skipped %d and %d: not 1000 of each", len(readings), len(others), b.SkippedReadings, b.Skipped)
	}
	if b.SkippedSeq >= others[0].Seq {
		t.Errorf("the last that was skipped is %d, the first that is left %d", b.SkippedSeq, others[0].Seq)
	}
	if last := readings[len(readings)-1].PortNumber; last != 999 {
		t.Errorf("the newest is of port %d, want 999", last)
	}
}

func TestLateDataDoesNotReplaceTheNewest(t *testing.T) {
	h := newHub(t, live.Options{QueueLength: 4})
	s := subscribe(t, h, live.Filter{Kinds: live.AllKinds, Access: store.Everything()})
	h.Publish([]live.Event{
		reading("d1", 1, 100, 100), reading("d1", 1, 1, 1), reading("d1", 1, 2, 2), reading("d1", 1, 3, 3),
		reading("d2", 1, 1, 7),
	})
	b := next(t, s)
	readings, _ := split(b)
	if len(readings) != 2 || readings[0].RawValue != 100 || b.SkippedReadings != 3 {
		t.Errorf("batch %+v, want the reading of ts 100 and d2's", b)
	}
}

func TestNextWaitsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := live.New(live.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := h.Subscribe(live.Filter{Kinds: live.AllKinds, Access: store.Everything()})
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan error, 1)
		wait := func(ctx context.Context) {
			_, err := s.Next(ctx)
			got <- err
		}
		go wait(t.Context())
		synctest.Wait()
		if len(got) != 0 {
			t.Error("Next answered without an event")
		}
		h.Publish([]live.Event{reading("d1", 1, 1, 1)})
		if err := <-got; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go wait(ctx)
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("Next after cancel: %v", err)
		}
		go wait(t.Context())
		synctest.Wait()
		s.Close()
		s.Close()
		if err := <-got; !errors.Is(err, live.ErrClosed) {
			t.Errorf("Next after Close: %v", err)
		}
		if !h.Active() {
			t.Error("the hub sleeps at once: who comes back has missed something")
		}
		<-time.After(live.DefaultLinger)
		synctest.Wait()
		if h.Active() {
			t.Error("the hub is awake without subscribers")
		}
	})
}

func TestTooManySubscribers(t *testing.T) {
	h := newHub(t, live.Options{MaxSubscribers: 2})
	a := subscribe(t, h, live.Filter{})
	subscribe(t, h, live.Filter{})
	if _, err := h.Subscribe(live.Filter{}); !errors.Is(err, store.ErrFull) {
		t.Errorf("third subscription: %v, want ErrFull", err)
	}
	a.Close()
	subscribe(t, h, live.Filter{})
}

func TestConcurrentUse(t *testing.T) {
	h := newHub(t, live.Options{QueueLength: 8, MaxSubscribers: 64})
	const publishers, events = 4, 500
	var pub, sub sync.WaitGroup
	var mu sync.Mutex
	totals := map[int]uint64{}
	subs := make([]*live.Sub, 4)
	for i := range subs {
		subs[i] = subscribe(t, h, live.Filter{Kinds: live.AllKinds, Access: store.Everything()})
		sub.Go(func() {
			for {
				b, err := subs[i].Next(context.Background())
				if err != nil {
					return
				}
				mu.Lock()
				totals[i] += uint64(len(b.Events)) + b.SkippedReadings
				done := totals[i] == publishers*events
				mu.Unlock()
				if done {
					return
				}
			}
		})
	}
	for p := range publishers {
		pub.Go(func() {
			for i := range events {
				h.Publish([]live.Event{reading("d1", uint16(p), int64(i), 1)})
			}
		})
		pub.Go(func() {
			for range 50 {
				if s, err := h.Subscribe(live.Filter{}); err == nil {
					s.Close()
				}
			}
		})
	}
	pub.Wait()
	sub.Wait()
	for i := range subs {
		if totals[i] != publishers*events {
			t.Errorf("subscriber %d saw or skipped %d of %d", i, totals[i], publishers*events)
		}
	}
}

func BenchmarkPublishWithoutSubscribers(b *testing.B) {
	h, err := live.New(live.Options{})
	if err != nil {
		b.Fatal(err)
	}
	e := []live.Event{reading("d1", 1, 1, 1)}
	for b.Loop() {
		h.Publish(e)
	}
}

// TestWants: messages are made for whom somebody inspects, and for nobody else.
func TestWants(t *testing.T) {
	h := newHub(t, live.Options{})
	if h.Wants(live.KindReading, "d1") || h.Wants(live.KindMessage, "d1") {
		t.Error("events are wanted without a watcher")
	}
	s := subscribe(t, h, live.Filter{Kinds: live.DefaultKinds, Access: store.Everything()})
	if !h.Wants(live.KindReading, "d1") || h.Wants(live.KindMessage, "d1") {
		t.Error("a watcher of readings wants readings, and no messages")
	}
	s.Filter(live.Filter{Kinds: live.AllKinds, Access: store.Everything(), Devices: map[string]struct{}{"d1": {}}})
	if !h.Wants(live.KindMessage, "d1") || h.Wants(live.KindMessage, "d2") {
		t.Error("messages of d1 are wanted, and of no other device")
	}
	h.Publish([]live.Event{
		{Kind: live.KindMessage, OrgID: "acme", DeviceID: "d2", Body: []byte(`{}`)},
		{Kind: live.KindMessage, OrgID: "acme", DeviceID: "d1", Body: []byte(`{"bytes":7}`)},
	})
	if b := next(t, s); len(b.Events) != 1 || string(b.Events[0].Body) != `{"bytes":7}` {
		t.Errorf("batch %+v", b)
	}
}
