package ingest

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/store"
)

// ErrRefused says that a login's name and secret do not belong together.
var ErrRefused = errors.New("login refused")

// Registry is the catalogue of devices as the hot path sees it: in memory, so
// that devices log in and readings are judged while a database is away. After
// a change of the catalogue its owner calls Refresh.
//
// Reads take no lock. A reader sees the catalogue of some moment between its
// call's begin and end.
type Registry struct {
	catalog store.Catalog
	key     []byte
	now     Clock

	mu     sync.Mutex // one writer
	view   atomic.Pointer[view]
	grants sync.Map // name → grant
}

// view is one state of the catalogue. byUID is indexed by UID; a large farm's
// refresh copies the slice and the maps are copied on write by shard.
type view struct {
	byUID  []*Device
	byName [256]map[string]*Device // ids and serial numbers, sharded so that a refresh copies little
	orgs   map[string]bool
}

// grant is a short-lived credential for programs on the box.
type grant struct {
	orgID   string
	hash    [sha256.Size]byte
	expires time.Time
}

// Principal is who logged in: a device, or a service account.
type Principal struct {
	Name   string  // device:d1, apikey:k1
	Device *Device // nil for a service account
	OrgID  string
	Ingest bool // may publish the telemetry of any device of OrgID
	Read   bool // may subscribe below org/OrgID/#
}

// NewRegistry loads the catalogue. key is the secret under which device
// secrets are hashed.
func NewRegistry(ctx context.Context, catalog store.Catalog, key []byte, now Clock) (*Registry, error) {
	r := &Registry{catalog: catalog, key: key, now: now}
	if err := r.Reload(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Reload reads the whole catalogue again.
func (r *Registry) Reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	devices, err := r.catalog.ListDevices(ctx, store.DeviceFilter{})
	if err != nil {
		return fmt.Errorf("load devices: %w", err)
	}
	ports := make(map[string][]store.Port, len(devices))
	err = r.catalog.AllPorts(ctx, func(p store.Port) error {
		ports[p.DeviceID] = append(ports[p.DeviceID], p)
		return nil
	})
	if err != nil {
		return fmt.Errorf("load ports: %w", err)
	}
	orgs, err := r.catalog.ListOrganizations(ctx, store.Page{})
	if err != nil {
		return fmt.Errorf("load organizations: %w", err)
	}
	v := &view{orgs: make(map[string]bool, len(orgs))}
	for _, o := range orgs {
		v.orgs[o.ID] = true
	}
	for _, d := range devices {
		n, err := newDevice(d, ports[d.ID])
		if err != nil {
			return err
		}
		v.put(n)
	}
	r.view.Store(v)
	return nil
}

// Refresh reads one device again after it, or one of its ports, was made,
// changed or deleted.
func (r *Registry) Refresh(ctx context.Context, deviceID string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var fresh *Device
	d, err := r.catalog.Device(ctx, deviceID)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return fmt.Errorf("load device %s: %w", deviceID, err)
	case d.State != store.DeviceDeleted:
		ports, err := r.catalog.ListPorts(ctx, deviceID)
		if err != nil {
			return fmt.Errorf("load ports of %s: %w", deviceID, err)
		}
		if fresh, err = newDevice(d, ports); err != nil {
			return err
		}
	}
	old := r.view.Load()
	v := *old
	if was := old.device(deviceID); was != nil {
		v.byUID = append([]*Device(nil), v.byUID...)
		v.byUID[was.UID] = nil
		v.unname(was.ID)
		v.unname(was.Serial)
	} else {
		v.byUID = append([]*Device(nil), v.byUID...)
	}
	if fresh != nil {
		if _, ok := v.orgs[fresh.OrgID]; !ok {
			orgs := map[string]bool{fresh.OrgID: true}
			for o := range v.orgs {
				orgs[o] = true
			}
			v.orgs = orgs
		}
		v.put(fresh)
	}
	r.view.Store(&v)
	return nil
}

func (v *view) device(name string) *Device { return v.byName[shard(name)][name] }

// put adds d; the shards that it touches are copied, so that readers of an
// older view are not disturbed.
func (v *view) put(d *Device) {
	for int(d.UID) >= len(v.byUID) {
		v.byUID = append(v.byUID, nil)
	}
	v.byUID[d.UID] = d
	for _, name := range []string{d.ID, d.Serial} {
		if name == "" || (name == d.Serial && d.State != store.DeviceActive && name != d.ID) {
			continue
		}
		m := v.copyShard(name)
		m[name] = d
	}
}

func (v *view) unname(name string) {
	if name != "" {
		delete(v.copyShard(name), name)
	}
}

func (v *view) copyShard(name string) map[string]*Device {
	i := shard(name)
	m := make(map[string]*Device, len(v.byName[i])+1)
	for k, d := range v.byName[i] {
		m[k] = d
	}
	v.byName[i] = m
	return m
}

func shard(name string) uint8 {
	h := uint32(2166136261)
	for i := 0; i < len(name); i++ {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return uint8(h ^ h>>8 ^ h>>16 ^ h>>24)
}

// ByUID answers the device with the internal number, or nil.
func (r *Registry) ByUID(uid uint32) *Device {
	v := r.view.Load()
	if int(uid) >= len(v.byUID) {
		return nil
	}
	return v.byUID[uid]
}

// ByID answers the device with the public id, or nil.
func (r *Registry) ByID(id string) *Device {
	if d := r.view.Load().device(id); d != nil && d.ID == id {
		return d
	}
	return nil
}

// Lookup answers the internal number of an organization's device.
func (r *Registry) Lookup(orgID, deviceID string) (uid uint32, ok bool) {
	if d := r.ByID(deviceID); d != nil && d.OrgID == orgID {
		return d.UID, true
	}
	return 0, false
}

// Devices answers all devices in order of their internal numbers.
func (r *Registry) Devices() []*Device {
	var out []*Device
	for _, d := range r.view.Load().byUID {
		if d != nil {
			out = append(out, d)
		}
	}
	return out
}

// HashSecret answers the HMAC-SHA-256 of a device's secret.
func (r *Registry) HashSecret(secret []byte) []byte {
	m := hmac.New(sha256.New, r.key)
	m.Write(secret)
	return m.Sum(nil)
}

// Login checks a device's secret, by its id or serial number, or a grant's. It
// costs microseconds, so that thousands of devices can come back at once, and
// compares in constant time. Every refusal is ErrRefused.
func (r *Registry) Login(name string, secret []byte) (*Principal, error) {
	if g, ok := r.grants.Load(name); ok {
		return r.loginGrant(name, g.(grant), secret)
	}
	hash := r.HashSecret(secret)
	d := r.view.Load().device(name)
	if d == nil || d.State != store.DeviceActive || len(d.secretHash) == 0 || !hmac.Equal(hash, d.secretHash) {
		return nil, ErrRefused
	}
	return &Principal{Name: "device:" + d.ID, Device: d, OrgID: d.OrgID}, nil
}

func (r *Registry) loginGrant(name string, g grant, secret []byte) (*Principal, error) {
	if r.now().After(g.expires) {
		r.grants.Delete(name)
		return nil, ErrRefused
	}
	if hash := sha256.Sum256(secret); !hmac.Equal(hash[:], g.hash[:]) {
		return nil, ErrRefused
	}
	return &Principal{Name: "grant:" + name, OrgID: g.orgID, Ingest: true, Read: true}, nil
}

// Grant makes a login that publishes for every device of an organization until
// ttl has passed. It is kept in memory alone.
func (r *Registry) Grant(orgID string, ttl time.Duration) (name, secret string) {
	r.grants.Range(func(k, v any) bool {
		if r.now().After(v.(grant).expires) {
			r.grants.Delete(k)
		}
		return true
	})
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	name, secret = "grant-"+hex.EncodeToString(b[:6]), hex.EncodeToString(b[6:])
	r.grants.Store(name, grant{orgID: orgID, hash: sha256.Sum256([]byte(secret)), expires: r.now().Add(ttl)})
	return name, secret
}
