package live_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/ingest/live"
	"tidegate/store"
)

// TestWishes: readings are made of the devices that somebody asks for, and of
// those for a while after, judged by a plain account of who asks for what.
func TestWishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const linger = time.Minute
		h, err := live.New(live.Options{Linger: linger})
		if err != nil {
			t.Fatal(err)
		}
		seed := uint64(time.Now().UnixNano())
		r := rand.New(rand.NewPCG(seed, 1))
		name := func(i int) string { return fmt.Sprint("d", i) }
		const devices = 6
		someFilter := func() live.Filter {
			f := live.Filter{Kinds: live.Kinds(0).With(live.KindReading), Access: store.Everything()}
			switch r.IntN(5) {
			case 0:
				f.Kinds = live.Kinds(0).With(live.KindLifecycle)
			case 1: // all
			case 2:
				f.Devices = map[string]struct{}{name(r.IntN(devices)): {}, name(r.IntN(devices)): {}}
			default:
				f.Ports = map[live.Port]struct{}{{DeviceID: name(r.IntN(devices)), Number: 1}: {}, {DeviceID: name(r.IntN(devices)), Number: 2}: {}}
			}
			return f
		}
		asks := func(f live.Filter, d string) bool {
			port := uint16(1)
			two := uint16(2)
			return f.Kinds.Has(live.KindReading) && (f.Takes("acme", d, &port) || f.Takes("acme", d, &two))
		}
		type watcher struct {
			sub *live.Sub
			f   live.Filter
		}
		var watchers []watcher
		last := map[string]time.Time{} // when somebody last asked
		for step := range 2000 {
			switch {
			case len(watchers) == 0 || len(watchers) < 5 && r.IntN(3) == 0:
				f := someFilter()
				s, err := h.Subscribe(f)
				if err != nil {
					t.Fatal(err)
				}
				watchers = append(watchers, watcher{s, f})
			case r.IntN(2) == 0:
				i := r.IntN(len(watchers))
				watchers[i].f = someFilter()
				watchers[i].sub.Filter(watchers[i].f)
			case r.IntN(2) == 0:
				i := r.IntN(len(watchers))
				watchers[i].sub.Close()
				watchers = append(watchers[:i], watchers[i+1:]...)
			default:
				<-time.After(time.Duration(r.IntN(90)) * time.Second)
				synctest.Wait()
			}
			for i := range devices {
				d, wanted := name(i), false
				for _, w := range watchers {
					wanted = wanted || asks(w.f, d)
				}
				got := h.Wants(live.KindReading, d)
				if wanted && !got {
					t.Fatalf("seed %d, step %d: readings of %s are asked for and not made", seed, step, d)
				}
				if wanted {
					last[d] = time.Now()
				}
				// One that all asked for may be kept for a device, too; a look comes
				// at most a Linger late.
				if ago := time.Since(last[d]); got && ago > 2*linger {
					t.Fatalf("seed %d, step %d: readings of %s are made %v after the last wish", seed, step, d, ago)
				}
			}
		}
		for _, w := range watchers {
			w.sub.Close()
		}
		<-time.After(3 * linger)
		synctest.Wait()
		if h.Wants(live.KindReading, "") || h.Active() {
			t.Errorf("seed %d: readings are made, and nobody has watched for long", seed)
		}
	})
}

// TestResumeOfOneDevice: whoever asks for a device goes on where its readings
// were made all along, whoever asked for them, and nowhere else.
func TestResumeOfOneDevice(t *testing.T) {
	h := newHub(t, live.Options{})
	of := func(devices ...string) live.Filter {
		f := live.Filter{Kinds: live.Kinds(0).With(live.KindReading), Access: store.Everything(), Devices: map[string]struct{}{}}
		for _, d := range devices {
			f.Devices[d] = struct{}{}
		}
		return f
	}
	first := subscribe(t, h, of("d1"))
	begin := h.Seq()
	h.Publish([]live.Event{reading("d1", 1, 1, 1)})
	if s := since(t, h, of("d1"), h.Stream(), begin); !s.Resumed || len(s.Take().Events) != 1 {
		t.Error("not resumed, and all was made")
	}
	if s := since(t, h, of("d1", "d2"), h.Stream(), begin); s.Resumed {
		t.Error("resumed, and of d2 nothing was made")
	}
	later := h.Seq()
	h.Publish([]live.Event{reading("d2", 1, 1, 1), reading("d1", 1, 2, 1)})
	if s := since(t, h, of("d2"), h.Stream(), later); !s.Resumed || len(s.Take().Events) != 1 {
		t.Error("not resumed, and d2 was made since")
	}
	everything := live.Filter{Kinds: live.Kinds(0).With(live.KindReading), Access: store.Everything()}
	if s := since(t, h, everything, h.Stream(), later); s.Resumed {
		t.Error("resumed with all devices, and only some were made")
	}
	last := h.Seq()
	h.Publish([]live.Event{reading("d3", 1, 1, 1)})
	if s := since(t, h, of("d3"), h.Stream(), last); !s.Resumed || len(s.Take().Events) != 1 {
		t.Error("not resumed, and all devices were made since")
	}
	if got := len(first.Take().Events); got != 2 {
		t.Errorf("the first has %d readings of d1", got)
	}
}
