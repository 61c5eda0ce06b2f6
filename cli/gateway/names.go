package gateway

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/store"
)

// deviceNames knows the public ids behind the internal numbers, of deleted
// devices too: readings keep the names under which they are known elsewhere. A
// number never changes its device, nor a device its organization, so that what
// is known once stays right.
type deviceNames struct {
	devices store.Devices
	log     *slog.Logger
	known   atomic.Pointer[[]deviceName] // by number

	mu    sync.Mutex
	asked time.Time // when the catalogue was last read for a number that it does not have
}

type deviceName struct{ orgID, id string }

func newDeviceNames(devices store.Devices, log *slog.Logger) *deviceNames {
	n := &deviceNames{devices: devices, log: log}
	n.known.Store(&[]deviceName{})
	return n
}

// of answers the names of a number; false: no device ever had it.
func (n *deviceNames) of(uid uint32) (orgID, deviceID string, ok bool) {
	if d, ok := n.look(uid); ok {
		return d.orgID, d.id, true
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	d, ok := n.look(uid)
	if !ok && time.Since(n.asked) > time.Second {
		n.read(context.Background())
		if d, ok = n.look(uid); !ok {
			n.asked = time.Now()
		}
	}
	return d.orgID, d.id, ok
}

func (n *deviceNames) look(uid uint32) (deviceName, bool) {
	known := *n.known.Load()
	if int(uid) >= len(known) || known[uid].id == "" {
		return deviceName{}, false
	}
	return known[uid], true
}

// read takes what the catalogue has now.
func (n *deviceNames) read(ctx context.Context) {
	all, err := n.devices.ListDevices(ctx, store.DeviceFilter{IncludeDeleted: true})
	if err != nil {
		n.log.Error("read the names of devices", "error", err)
		return
	}
	var known []deviceName
	for _, d := range all {
		for int(d.UID) >= len(known) {
			known = append(known, make([]deviceName, int(d.UID)+1-len(known))...)
		}
		known[d.UID] = deviceName{d.OrgID, d.ID}
	}
	n.known.Store(&known)
}
