package broker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
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

	mu        sync.Mutex
	changed   *sync.Cond
	refused   []Refusal
	lifecycle []string // "d1 online connected"
	presence  map[uint32]store.Presence
	logs      bytes.Buffer
}

func newBox(t testing.TB, change ...func(*Options)) *box {
	t.Helper()
	x := &box{t: t, wal: newWAL(t), presence: make(map[uint32]store.Presence), metricsReg: prometheus.NewRegistry()}
	x.changed = sync.NewCond(&x.mu)
	x.catalog = &catalog{devices: make(map[string]store.Device)}
	r, err := ingest.NewRegistry(context.Background(), x.catalog, []byte("key"), time.Now)
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
	addr, err := x.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	x.addr = addr.String()
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

// peer is a client that speaks raw packets.
type peer struct {
	t testing.TB
	net.Conn
	r  *bufio.Reader
	v5 bool
}

// packet is a packet as it came.
type packet struct {
	head byte
	body []byte
}

func (p packet) kind() byte { return p.head >> 4 }

func (x *box) dial(v5 bool) *peer {
	x.t.Helper()
	c, err := net.Dial("tcp", x.addr)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{t: x.t, Conn: c, r: bufio.NewReader(c), v5: v5}
}

type connect struct {
	id, user, password string
	keep               uint16
	stored             bool // clean session off
	expiry             uint32
	willTopic, will    string
	willQos            byte
	level              byte // protocol level, when not 4 or 5
	noUser             bool
}

func str(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func frameOf(head byte, body []byte) []byte {
	return append(append([]byte{head}, varint(len(body))...), body...)
}

func varint(n int) []byte {
	var out []byte
	for {
		b := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			b |= 0x80
		}
		out = append(out, b)
		if n == 0 {
			return out
		}
	}
}

func (c connect) packet(v5 bool) []byte {
	level, name := byte(4), "MQTT"
	if v5 {
		level = 5
	}
	if c.level != 0 {
		level = c.level
	}
	if level == 3 {
		name = "MQIsdp"
	}
	var flags byte
	if !c.stored {
		flags |= 2
	}
	if c.willTopic != "" {
		flags |= 4 | c.willQos<<3
	}
	if !c.noUser {
		flags |= 0xC0
	}
	b := append(str(name), level, flags)
	b = binary.BigEndian.AppendUint16(b, c.keep)
	if v5 {
		if c.expiry > 0 {
			b = binary.BigEndian.AppendUint32(append(b, 5, 17), c.expiry)
		} else {
			b = append(b, 0)
		}
	}
	b = append(b, str(c.id)...)
	if c.willTopic != "" {
		if v5 {
			b = append(b, 0)
		}
		b = append(append(b, str(c.willTopic)...), str(c.will)...)
	}
	if !c.noUser {
		b = append(append(b, str(c.user)...), str(c.password)...)
	}
	return frameOf(0x10, b)
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

func (p *peer) read() (packet, error) {
	head, err := p.r.ReadByte()
	if err != nil {
		return packet{}, err
	}
	n, err := binary.ReadUvarint(p.r)
	if err != nil {
		return packet{}, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(p.r, body)
	return packet{head, body}, err
}

// expect reads the next packet, which must be of the kind.
func (p *peer) expect(kind byte) packet {
	p.t.Helper()
	pk, err := p.read()
	if err != nil {
		p.t.Fatalf("waiting for packet type %d: %v", kind, err)
	}
	if pk.kind() != kind {
		p.t.Fatalf("packet type %d (% x), want %d", pk.kind(), pk.body, kind)
	}
	return pk
}

// gone reads until the broker closes, and answers what came.
func (p *peer) gone() []packet {
	p.t.Helper()
	var all []packet
	for {
		pk, err := p.read()
		if isTimeout(err) {
			p.t.Fatal("the broker does not close the connection")
		}
		if err != nil {
			return all
		}
		all = append(all, pk)
	}
}

// login connects and answers the return code.
func (p *peer) login(c connect) byte {
	p.t.Helper()
	p.send(c.packet(p.v5))
	return p.expect(2).body[1]
}

// device logs a device in, with its right secret.
func (x *box) device(v5 bool, id, client string) *peer {
	x.t.Helper()
	p := x.dial(v5)
	if code := p.login(connect{id: client, user: id, password: "s-" + id}); code != 0 {
		x.t.Fatalf("login of %s: code %#x", id, code)
	}
	return p
}

func (p *peer) publishPacket(topic, payload string, qos byte, id uint16, flags byte) []byte {
	b := str(topic)
	if qos > 0 {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	if p.v5 {
		b = append(b, 0)
	}
	return frameOf(0x30|qos<<1|flags, append(b, payload...))
}

func (p *peer) publish(topic, payload string, qos byte, id uint16) {
	p.t.Helper()
	p.send(p.publishPacket(topic, payload, qos, id, 0))
}

func (p *peer) subscribe(id uint16, qos byte, filters ...string) []byte {
	p.t.Helper()
	b := binary.BigEndian.AppendUint16(nil, id)
	if p.v5 {
		b = append(b, 0)
	}
	for _, f := range filters {
		b = append(append(b, str(f)...), qos)
	}
	p.send(frameOf(0x82, b))
	ack := p.expect(9).body
	if got := binary.BigEndian.Uint16(ack); got != id {
		p.t.Fatalf("SUBACK for packet %d, want %d", got, id)
	}
	if p.v5 {
		return ack[3+int(ack[2]):]
	}
	return ack[2:]
}

// ack reads a PUBACK and answers its packet id and reason code.
func (p *peer) ack() (uint16, byte) {
	p.t.Helper()
	b := p.expect(4).body
	if len(b) > 2 {
		return binary.BigEndian.Uint16(b), b[2]
	}
	return binary.BigEndian.Uint16(b), 0
}

// ping says that everything sent before was processed.
func (p *peer) ping() {
	p.t.Helper()
	p.send([]byte{0xC0, 0})
	p.expect(13)
}

// message reads a PUBLISH.
func (p *peer) message() (topic, payload string, id uint16, retained bool) {
	p.t.Helper()
	pk := p.expect(3)
	n := int(binary.BigEndian.Uint16(pk.body))
	topic, rest := string(pk.body[2:2+n]), pk.body[2+n:]
	if pk.head&6 != 0 {
		id, rest = binary.BigEndian.Uint16(rest), rest[2:]
	}
	if p.v5 {
		rest = rest[1+int(rest[0]):]
	}
	return topic, string(rest), id, pk.head&1 != 0
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
