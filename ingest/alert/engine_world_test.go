package alert_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tidegate/ingest/alert"
	"tidegate/store"
	"tidegate/store/embedded"
)

// world is a box without doors: a catalogue, a memory of alarms, and a clock
// that stands until it is moved.
type world struct {
	t       *testing.T
	dir     string
	catalog *embedded.Catalog
	memory  *embedded.Alerts
	engine  *alert.Engine
	log     []alert.Sample // what was received; its positions are 1, 2, …
	now     int64

	notified []store.Notification
}

const (
	second = int64(1000)
	minute = 60 * second
	noon   = int64(1_757_160_000_000) // 2025-09-06T12:00:00Z
)

var logID = store.LogID{1, 2, 3}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), now: noon}
	w.catalog = must(embedded.OpenCatalog(filepath.Join(w.dir, "catalog.db"), embedded.CatalogOptions{}))(t)
	t.Cleanup(func() { noError(t, w.catalog.Close()) })
	ctx := context.Background()
	noError(t, w.catalog.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme"}))
	for _, id := range []string{"d1", "d2"} {
		var ports []store.Port
		for n := range uint16(3) {
			ports = append(ports, store.Port{DeviceID: id, Number: n + 1})
		}
		_, err := w.catalog.CreateDevice(ctx, store.Device{ID: id, OrgID: "acme", State: store.DeviceActive}, ports)
		noError(t, err)
	}
	w.open()
	return w
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		noError(t, err)
		return v
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens the memory and makes the engine, as a start does.
func (w *world) open() {
	w.t.Helper()
	ctx := context.Background()
	w.memory = must(embedded.OpenAlerts(filepath.Join(w.dir, "alerts.db"), embedded.AlertsOptions{Now: w.clock}))(w.t)
	noError(w.t, w.memory.Bind(store.Bounds{Log: logID, Head: w.head()}))
	w.engine = must(alert.New(ctx, alert.Options{
		Memory: w.memory, Catalog: w.catalog, Devices: w, Head: w.head,
		Notify: func(n []store.Notification) { w.notified = append(w.notified, n...) },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: w.clock,
	}))(w.t)
}

// close ends the process, as a crash does: what is not durable is gone.
func (w *world) close() { noError(w.t, w.memory.Close()) }

// again starts after a crash and applies the log again.
func (w *world) again() {
	w.t.Helper()
	w.close()
	w.open()
	w.feed(w.log[w.memory.Applied():])
}

func (w *world) head() uint64 { return uint64(len(w.log)) }

func (w *world) clock() time.Time { return time.UnixMilli(w.now) }

// Device implements alert.Devices.
func (w *world) Device(id string) (store.Device, []store.Port, bool) {
	d, err := w.catalog.Device(context.Background(), id)
	if err != nil || d.State == store.DeviceDeleted {
		return d, nil, false
	}
	ports, err := w.catalog.ListPorts(context.Background(), id)
	noError(w.t, err)
	return d, ports, true
}

// Each implements alert.Devices.
func (w *world) Each(fn func(store.Device, []store.Port)) {
	list, err := w.catalog.ListDevices(context.Background(), store.DeviceFilter{})
	noError(w.t, err)
	for _, d := range list {
		_, ports, _ := w.Device(d.ID)
		fn(d, ports)
	}
}

// feed lets the engine see what is in the log already.
func (w *world) feed(samples []alert.Sample) {
	for i := range samples {
		s := &samples[i]
		received := s.ReceivedAt
		if s.ClockUntrusted {
			received = 0
		}
		w.engine.Evaluate(samples[i:i+1], s.Seq, received)
	}
}

// send is a reading of d1's port 1, measured and received now.
func (w *world) send(value float64) {
	w.sendAs(alert.Sample{TS: w.now, ReceivedAt: w.now, Value: value})
}

func (w *world) sendAs(s alert.Sample) {
	if s.Series == (store.Series{}) {
		s.Series = store.Series{UID: 1, Port: 1}
	}
	s.Seq = w.head() + 1
	w.log = append(w.log, s)
	w.feed(w.log[len(w.log)-1:])
}

// wait lets time pass; the engine looks at its deadlines.
func (w *world) wait(ms int64) {
	w.now += ms
	w.engine.Pass()
}

func (w *world) rule(change func(*store.AlertRule)) store.AlertRule {
	w.t.Helper()
	high := 80.0
	r := store.AlertRule{
		ID: store.NewRuleID(), OrgID: "acme", Name: "hot", Enabled: true, Severity: store.SeverityWarning, Revision: 1,
		Selection: store.Selection{DeviceIDs: []string{"d1"}, Ports: []uint16{1}},
		Condition: store.Condition{Kind: store.CondAbove, High: &high},
	}
	if change != nil {
		change(&r)
	}
	noError(w.t, r.Validate())
	noError(w.t, w.catalog.CreateAlertRule(context.Background(), r))
	noError(w.t, w.engine.RefreshRule(context.Background(), r.ID))
	return r
}

func (w *world) edit(r store.AlertRule, change func(*store.AlertRule)) store.AlertRule {
	w.t.Helper()
	change(&r)
	r.Revision++
	noError(w.t, w.catalog.UpdateAlertRule(context.Background(), r))
	noError(w.t, w.engine.RefreshRule(context.Background(), r.ID))
	return r
}

func (w *world) channel(name string, change func(*store.Channel)) store.Channel {
	w.t.Helper()
	c := store.Channel{
		ID: "ch-" + name, OrgID: "acme", Name: name, Type: store.ChannelWebhook, Enabled: true, URL: "https://example.org/hook",
		Severities: []store.Severity{store.SeverityWarning, store.SeverityCritical},
	}
	if change != nil {
		change(&c)
	}
	noError(w.t, w.catalog.CreateChannel(context.Background(), c))
	noError(w.t, w.engine.RefreshChannels(context.Background()))
	return c
}

// events answers the episodes, oldest first, as `device/port state first worst last`.
func (w *world) events() []store.AlertEvent {
	w.t.Helper()
	noError(w.t, w.engine.Commit(context.Background()))
	list, err := w.engine.ListAlertEvents(context.Background(), store.AlertEventFilter{Limit: 1000})
	noError(w.t, err)
	slices.Reverse(list)
	return list
}

// said answers what was to be said, in order, as `cause channel event`.
func (w *world) said() []string {
	w.t.Helper()
	noError(w.t, w.engine.Commit(context.Background()))
	var out []string
	for _, n := range w.notified {
		c, err := w.catalog.Channel(context.Background(), n.ChannelID)
		noError(w.t, err)
		out = append(out, fmt.Sprintf("%s %s", n.Cause, c.Name))
	}
	w.notified = nil
	return out
}

func (w *world) expect(what string, got, want any) {
	w.t.Helper()
	if g, x := fmt.Sprint(got), fmt.Sprint(want); g != x {
		w.t.Errorf("%s: got %s, want %s", what, g, x)
	}
}

func (w *world) ruleWithID(id string, change func(*store.AlertRule)) store.AlertRule {
	w.t.Helper()
	return w.rule(func(r *store.AlertRule) { r.ID = id; change(r) })
}
