package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"tidegate/store"
)

// Registry is the catalogue of devices and API keys as the hot path sees it: in
// memory, so that they log in and readings are judged while a database is away.
// After a change of the catalogue its owner calls Refresh or RefreshKey.
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
	keys   map[string]*apiKey // by id; copied by a refresh
}

// NewRegistry loads the catalogue. key is the secret under which the secrets of
// devices and API keys are hashed.
func NewRegistry(ctx context.Context, catalog store.Catalog, key []byte, now Clock) (*Registry, error) {
	r := &Registry{catalog: catalog, key: key, now: now}
	r.view.Store(&view{})
	if _, err := r.Reload(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Cut names who has logged in with what is good no more, or may do something
// else now: their connections are to be ended.
type Cut struct {
	Devices []string
	APIKeys []string
}

// Reload reads the whole catalogue again, after others have changed it, and
// answers whom that locks out.
func (r *Registry) Reload(ctx context.Context) (cut Cut, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, err := r.load(ctx)
	if err != nil {
		return cut, err
	}
	old := r.view.Load()
	r.view.Store(v)
	for _, was := range old.byUID {
		if was == nil {
			continue
		}
		is := v.device(was.ID)
		if is == nil || is.UID != was.UID || is.State != was.State || is.Serial != was.Serial || !bytes.Equal(is.secretHash, was.secretHash) {
			cut.Devices = append(cut.Devices, was.ID)
		}
	}
	now := r.now()
	for id, was := range old.keys {
		if was.stands(was, now) && !v.keys[id].stands(was, now) {
			cut.APIKeys = append(cut.APIKeys, id)
		}
	}
	slices.Sort(cut.APIKeys)
	return cut, nil
}

func (r *Registry) load(ctx context.Context) (*view, error) {
	devices, err := r.catalog.ListDevices(ctx, store.DeviceFilter{})
	if err != nil {
		return nil, fmt.Errorf("load devices: %w", err)
	}
	ports := make(map[string][]store.Port, len(devices))
	err = r.catalog.AllPorts(ctx, func(p store.Port) error {
		ports[p.DeviceID] = append(ports[p.DeviceID], p)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load ports: %w", err)
	}
	orgs, err := r.catalog.ListOrganizations(ctx, store.Page{})
	if err != nil {
		return nil, fmt.Errorf("load organizations: %w", err)
	}
	keys, err := r.catalog.ListAPIKeys(ctx, store.APIKeyFilter{})
	if err != nil {
		return nil, fmt.Errorf("load API keys: %w", err)
	}
	v := &view{orgs: make(map[string]bool, len(orgs)), keys: make(map[string]*apiKey, len(keys))}
	for _, k := range keys {
		v.keys[k.ID] = newAPIKey(k)
	}
	for _, o := range orgs {
		v.orgs[o.ID] = true
	}
	for _, d := range devices {
		n, err := newDevice(d, ports[d.ID])
		if err != nil {
			return nil, err
		}
		v.put(n)
	}
	return v, nil
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
