package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"tidegate/ingest"
	"tidegate/ingest/alert"
	"tidegate/store"
	"tidegate/store/embedded"
)

// openRules makes the rules of a box. Their clock stands still, and nothing is
// durable before a flush: what is told then is all that a crash leaves.
func (b *box) openRules() {
	b.t.Helper()
	var err error
	if b.memory, err = embedded.OpenAlerts(filepath.Join(b.dir, "alerts.db"), embedded.AlertsOptions{}); err != nil {
		b.t.Fatal(err)
	}
	after, head := b.log.Bounds()
	if err := b.memory.Bind(store.Bounds{Log: store.LogID(b.log.ID()), After: after, Head: head}); err != nil {
		b.t.Fatal(err)
	}
	b.rules, err = alert.New(context.Background(), alert.Options{
		Memory: b.memory, Catalog: b.catalog, Devices: b.devices, Head: func() uint64 { _, head := b.log.Bounds(); return head },
		Logger: slog.New(slog.DiscardHandler), Now: b.now,
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) rule(high float64) {
	b.t.Helper()
	r := store.AlertRule{
		ID: "rule-hot", OrgID: "acme", Name: "hot", Enabled: true, Severity: store.SeverityWarning, Revision: 1,
		Condition: store.Condition{Kind: store.CondAbove, High: &high},
	}
	if err := b.catalog.CreateAlertRule(b.t.Context(), r); err != nil {
		b.t.Fatal(err)
	}
	if err := b.rules.RefreshRule(b.t.Context(), r.ID); err != nil {
		b.t.Fatal(err)
	}
}

// alarms answers the episodes that are kept, oldest first, as `state worst`.
func (b *box) alarms() (out []string) {
	b.t.Helper()
	list, err := b.memory.ListAlertEvents(b.t.Context(), store.AlertEventFilter{Limit: 100})
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range list {
		out = append([]string{fmt.Sprint(list[i].State, " ", *list[i].Worst)}, out...)
	}
	return out
}

func (b *box) wantAlarms(want ...string) {
	b.t.Helper()
	if got := b.alarms(); fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("alarms %v, want %v", got, want)
	}
}

// alarmed makes a box with a device, a rule, and a store that can be away.
func newAlarmedBox(t *testing.T) (*box, *failing) {
	b := newBox(t)
	f := &failing{}
	b.close()
	b.alarmed = true
	b.wrap = func(s store.SeriesStore) store.SeriesStore { f.SeriesStore = s; return f }
	b.open()
	b.device("d1", 1)
	b.rule(80)
	return b, f
}

func reading(at int64, v float64) string {
	return fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":%g}]}`, at, v)
}

// TestAlarms: readings that are stored, refused and late, once each.
func TestAlarms(t *testing.T) {
	b, _ := newAlarmedBox(t)
	at := time.Now().UnixMilli()
	b.send("d1", reading(at-10_000, 81))
	b.send("d1", reading(at-10_000, 81)) // a duplicate
	b.send("d1", reading(at-10_000, 99)) // a conflict
	b.send("d1", reading(at-9_000, 85))
	b.send("d1", reading(at-9_500, 10)) // behind a later one
	b.send("d1", reading(at-8_000, 80))
	b.send("d1", reading(at-7_000_000, 99)) // late data pages nobody
	if err := b.rules.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantAlarms("resolved 85")
	b.send("d1", reading(at-6_000, 90))
	b.close() // flushes
	b.open()
	b.wantAlarms("resolved 85", "firing 90")
	b.send("d1", reading(at-5_000, 91))
	b.send("d1", reading(at-4_000, 7))
	if err := b.rules.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantAlarms("resolved 85", "resolved 91")
}

// TestAlarmsWhileAway: alarms go on while the store takes nothing, and a replay
// of the log makes none twice.
func TestAlarmsWhileAway(t *testing.T) {
	b, f := newAlarmedBox(t)
	at := time.Now().UnixMilli()
	b.send("d1", reading(at-60_000, 70))
	f.away.Store(true)
	var done []chan struct{}
	submit := func(i int, v float64) {
		t.Helper()
		c := make(chan struct{})
		done = append(done, c)
		uid, _ := b.devices.Lookup("acme", "d1")
		if err := b.flow.Submit(&ingest.Message{
			Principal: "device:d1", UID: uid, OrgID: "acme", DeviceID: "d1", Payload: []byte(reading(at-50_000+int64(i)*1000, v)),
			Done: func(*ingest.Result) { close(c) },
		}); err != nil {
			t.Fatal(err)
		}
	}
	waitFor := func(position uint64) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); b.rules.Position() < position; <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the rules are at %d of %d", b.rules.Position(), position)
			}
		}
	}
	for i, v := range []float64{90, 70, 95, 99, 70, 81} {
		submit(i, v)
	}
	waitFor(7)
	if err := b.rules.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"resolved 90", "resolved 99", "firing 81"}
	b.wantAlarms(want...)
	if l := b.ledger(); l.Pending != 6 {
		t.Errorf("ledger %+v", l)
	}
	// The store comes back: the writer judges the same records.
	f.away.Store(false)
	for _, c := range done {
		<-c
	}
	if err := b.rules.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantAlarms(want...)

	// A crash: what is behind the last flush comes again.
	f.away.Store(true)
	submit(6, 85)
	submit(7, 70)
	waitFor(9)
	b.crash()
	f.away.Store(false)
	b.open()
	waitFor(9)
	if err := b.rules.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.wantAlarms("resolved 90", "resolved 99", "resolved 85")
	b.wantLedger(9, 9, 0, 0)
}
