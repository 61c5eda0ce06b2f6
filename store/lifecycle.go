package store

import (
	"context"
	"time"
)

// LifecycleEvent is a coming or going of a device, or what it says of itself.
type LifecycleEvent struct {
	At     Time            `json:"at"`
	Status string          `json:"status"` // online or offline; a device may say something else of itself
	Reason string          `json:"reason"`
	Source LifecycleSource `json:"source"`
	Seq    uint64          `json:"-"` // tells events of one time apart; given when it is kept
}

// LifecycleSource is who says so.
type LifecycleSource string

// Who says so: the broker, of a connection; or the device, on its lifecycle
// topic.
const (
	LifecycleServer LifecycleSource = "server"
	LifecycleDevice LifecycleSource = "device"
)

// What a broker says of a device.
const (
	StatusOnline  = "online"
	StatusOffline = "offline"
)

// Limits of what is kept of a device: the newest LifecycleKept events, and of
// those the ones that are not older than LifecycleAge.
const (
	LifecycleKept = 500
	LifecycleAge  = 90 * 24 * time.Hour
)

// LifecycleFilter chooses events of a device, newest first.
type LifecycleFilter struct {
	UID      uint32
	From, To Time            // From inclusive, To exclusive; To 0 is open
	After    *LifecycleEvent // resume behind it, by At and Seq
	Limit    int             // at least 1
}

// DeviceLifecycle is an event, and of which device it is.
type DeviceLifecycle struct {
	UID uint32
	LifecycleEvent
}

// LifecyclesFilter chooses events of several devices, newest first.
type LifecyclesFilter struct {
	UIDs     []uint32        // of these devices alone, each once
	From, To Time            // From inclusive, To exclusive; To 0 is open
	After    *LifecycleEvent // resume behind it, by At and Seq
	Limit    int             // at least 1
}

// Lifecycles keep the comings and goings of devices, within LifecycleKept and
// LifecycleAge. A process that is killed may lose the last seconds; none that
// did not happen is ever there.
type Lifecycles interface {
	// AddLifecycle takes note of an event, which is answered at once and durable
	// some seconds later, or after Flush. It never waits for the disk. What says
	// the same as the newest one of its source is left out, unless that is older
	// than LifecycleAge.
	AddLifecycle(uid uint32, e LifecycleEvent)
	// ListLifecycle answers newest first.
	ListLifecycle(ctx context.Context, f LifecycleFilter) ([]LifecycleEvent, error)
	// ListLifecycles answers those of several devices in one list, newest first.
	// What waits for the disk may come on top of the LifecycleKept of a device.
	// It costs a look at each device, however many events there are.
	ListLifecycles(ctx context.Context, f LifecyclesFilter) ([]DeviceLifecycle, error)
	// EndLifecycles adds an offline of the server, of the time and with the
	// reason, to each device that it last said was online: those that were there
	// when an earlier process ended without saying so.
	EndLifecycles(ctx context.Context, at Time, reason string) error
	// DeleteLifecycle removes all events of a device. It is durable on return.
	DeleteLifecycle(ctx context.Context, uid uint32) error
}
