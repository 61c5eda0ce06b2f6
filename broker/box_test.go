package broker

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/ingest"
	"tidegate/store"
)

// wal is a small durable Submitter: it appends to a file, fsyncs, and acks in
// order. It can be held, so that nothing is on disk, and be full.
type wal struct {
	mu      sync.Mutex
	changed *sync.Cond
	file    *os.File
	waiting []*ingest.Message
	synced  []*ingest.Message
	held    bool
	err     error // what Submit answers
	end     bool
	done    chan struct{}
}

func newWAL(t testing.TB) *wal {
	f, err := os.Create(filepath.Join(t.TempDir(), "wal"))
	if err != nil {
		t.Fatal(err)
	}
	w := &wal{file: f, done: make(chan struct{})}
	w.changed = sync.NewCond(&w.mu)
	go w.commit()
	t.Cleanup(func() {
		w.mu.Lock()
		w.end = true
		w.changed.Broadcast()
		w.mu.Unlock()
		<-w.done
		_ = f.Close()
	})
	return w
}

func (w *wal) Submit(m *ingest.Message) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.waiting = append(w.waiting, m)
	w.changed.Broadcast()
	return nil
}

func (w *wal) commit() {
	defer close(w.done)
	for {
		w.mu.Lock()
		for !w.end && (w.held || len(w.waiting) == 0) {
			w.changed.Wait()
		}
		if w.end {
			w.mu.Unlock()
			return
		}
		batch := w.waiting
		w.waiting = nil
		w.mu.Unlock()
		var buf bytes.Buffer
		for _, m := range batch {
			buf.Write(m.Payload)
			buf.WriteByte('\n')
		}
		_, err := w.file.Write(buf.Bytes())
		if err == nil {
			err = w.file.Sync()
		}
		w.mu.Lock()
		w.synced = append(w.synced, batch...)
		w.changed.Broadcast()
		w.mu.Unlock()
		for _, m := range batch {
			if m.Ack != nil {
				m.Ack.Acked(m, err)
			}
		}
	}
}

func (w *wal) hold(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = yes
	w.changed.Broadcast()
}

func (w *wal) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = err
}

// taken waits until n messages were submitted, synced or not.
func (w *wal) taken(n int) []*ingest.Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.synced)+len(w.waiting) < n {
		w.changed.Wait()
	}
	return append(append([]*ingest.Message(nil), w.synced...), w.waiting...)
}

// catalog is a catalogue in memory, as far as ingest.Registry asks for it.
type catalog struct {
	store.Catalog
	mu      sync.Mutex
	devices map[string]store.Device
	keys    map[string]store.APIKey
}

func (c *catalog) ListAPIKeys(context.Context, store.APIKeyFilter) ([]store.APIKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.keys)), nil
}

func (c *catalog) APIKey(_ context.Context, id string) (store.APIKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.keys[id]
	if !ok {
		return k, store.NotFound("API key", id)
	}
	return k, nil
}

func (c *catalog) ListDevices(context.Context, store.DeviceFilter) ([]store.Device, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []store.Device
	for _, d := range c.devices {
		all = append(all, d)
	}
	return all, nil
}

func (c *catalog) Device(_ context.Context, id string) (store.Device, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.devices[id]
	if !ok {
		return d, store.NotFound("device", id)
	}
	return d, nil
}

func (c *catalog) AllPorts(context.Context, func(store.Port) error) error { return nil }
func (c *catalog) ListPorts(context.Context, string) ([]store.Port, error) {
	return nil, nil
}

func (c *catalog) ListOrganizations(context.Context, store.Page) ([]store.Organization, error) {
	return []store.Organization{{ID: "acme"}, {ID: "other"}}, nil
}

// box is a running broker with what stands around it: devices d1 and d2 of
// acme and x1 of other, each with the secret "s-" and its id.
type box struct {
	*Broker
	t        testing.TB
	wal      *wal
	catalog  *catalog
	registry *ingest.Registry
	addr     string

	metricsReg *prometheus.Registry

	ahead atomic.Int64 // nanoseconds that the registry's clock is ahead

	mu        sync.Mutex
	changed   *sync.Cond
	refused   []Refusal
	lifecycle []string // "d1 online connected"
	said      []string // the same, of what devices say themselves
	presence  map[uint32]store.Presence
	logs      bytes.Buffer
}

func newBox(t testing.TB, change ...func(*Options)) *box {
	t.Helper()
	x := &box{t: t, wal: newWAL(t), presence: make(map[uint32]store.Presence), metricsReg: prometheus.NewRegistry()}
	x.changed = sync.NewCond(&x.mu)
	x.catalog = &catalog{devices: make(map[string]store.Device), keys: make(map[string]store.APIKey)}
	r, err := ingest.NewRegistry(context.Background(), x.catalog, []byte("key"), x.now)
	if err != nil {
		t.Fatal(err)
	}
	x.registry = r
	for i, d := range []store.Device{{ID: "d1", SerialNumber: "SN1", OrgID: "acme"}, {ID: "d2", OrgID: "acme"}, {ID: "x1", OrgID: "other"}} {
		d.UID, d.State = uint32(i+1), store.DeviceActive
		d.SecretHash = r.HashSecret([]byte("s-" + d.ID))
		x.put(d)
	}
	o := Options{
		Listen: "127.0.0.1:0", MaxConnections: 200,
		Submitter: x.wal, Authenticator: r, Devices: r,
		Registerer: x.metricsReg,
		Logger:     slog.New(slog.NewTextHandler(lockedWriter{&x.mu, &x.logs}, nil)),
		Refused: func(f Refusal) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.refused = append(x.refused, f)
			x.changed.Broadcast()
		},
		Lifecycle: func(org, id, status, reason string, _ time.Time) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.lifecycle = append(x.lifecycle, id+" "+status+" "+reason)
			x.changed.Broadcast()
		},
		Said: func(org, id, status, reason string, _ time.Time) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.said = append(x.said, org+" "+id+" "+status+" "+reason)
			x.changed.Broadcast()
		},
		Presence: func(uid uint32, p store.Presence) {
			x.mu.Lock()
			defer x.mu.Unlock()
			x.presence[uid] = p
			x.changed.Broadcast()
		},
	}
	for _, f := range change {
		f(&o)
	}
	if x.Broker, err = New(o); err != nil {
		t.Fatal(err)
	}
	if err := x.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if addr := x.Addr(); addr != nil {
		x.addr = addr.String()
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := x.Close(ctx); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			x.mu.Lock()
			defer x.mu.Unlock()
			t.Logf("log of the broker:\n%s", x.logs.String())
			t.Logf("refused: %+v\nlifecycle: %q", x.refused, x.lifecycle)
		}
	})
	return x
}

func (x *box) put(d store.Device) {
	x.catalog.mu.Lock()
	x.catalog.devices[d.ID] = d
	x.catalog.mu.Unlock()
	if err := x.registry.Refresh(context.Background(), d.ID); err != nil {
		x.t.Fatal(err)
	}
}

func (x *box) now() time.Time { return time.Now().Add(time.Duration(x.ahead.Load())) }

// putKey makes, or changes, an API key, and answers its secret: s- and its id.
func (x *box) putKey(k store.APIKey) (secret string) {
	x.t.Helper()
	secret = "s-" + k.ID
	k.Name, k.SecretHash = cmp.Or(k.Name, "of the test"), x.registry.HashSecret([]byte(secret))
	if err := k.Validate(); err != nil {
		x.t.Fatal(err)
	}
	x.catalog.mu.Lock()
	x.catalog.keys[k.ID] = k
	x.catalog.mu.Unlock()
	if err := x.registry.RefreshKey(context.Background(), k.ID); err != nil {
		x.t.Fatal(err)
	}
	return secret
}

func (x *box) deleteKey(id string) {
	x.t.Helper()
	x.catalog.mu.Lock()
	delete(x.catalog.keys, id)
	x.catalog.mu.Unlock()
	if err := x.registry.RefreshKey(context.Background(), id); err != nil {
		x.t.Fatal(err)
	}
}

// until waits until the sinks have seen what ok asks for.
func (x *box) until(what string, ok func() bool) {
	x.t.Helper()
	late := false
	timer := time.AfterFunc(10*time.Second, func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		late = true
		x.changed.Broadcast()
	})
	defer timer.Stop()
	x.mu.Lock()
	defer x.mu.Unlock()
	for !ok() {
		if late {
			x.t.Errorf("not within 10 s: %s; refused %+v, lifecycle %q", what, x.refused, x.lifecycle)
			return
		}
		x.changed.Wait()
	}
}

func (x *box) lines() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var all []string
	for _, r := range x.refused {
		all = append(all, r.Line)
	}
	return all
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// metric answers the sum of a metric over its labels.
func (x *box) metric(name string) float64 {
	x.t.Helper()
	all, err := x.metricsReg.Gather()
	if err != nil {
		x.t.Fatal(err)
	}
	sum := 0.0
	for _, f := range all {
		if f.GetName() != "tidegate_broker_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

const telemetryD1 = "org/acme/device/d1/telemetry"
