package client

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"tidegate/store"
)

// Device is a device as the server knows it.
type Device struct {
	ID           string            `json:"id"`
	OrgID        string            `json:"orgId"`
	SerialNumber string            `json:"serialNumber,omitempty"`
	Name         string            `json:"name,omitempty"`
	State        store.DeviceState `json:"state"`
	HasSecret    bool              `json:"hasSecret"`   // false: it cannot log in
	AcceptPast   string            `json:"acceptPast"`  // such as 720h0m0s
	AcceptAhead  string            `json:"acceptAhead"` // such as 5m0s
	AssumeZone   string            `json:"assumeZone,omitempty"`
	Tags         []string          `json:"tags,omitempty"`
	Online       bool              `json:"online"`
	LastSeen     *store.Time       `json:"lastSeen,omitempty"` // nil: never
	CreatedAt    store.Time        `json:"createdAt"`
	Ports        []Port            `json:"ports,omitempty"`
	// Secret is there once: in the answer that made it.
	Secret string `json:"secret,omitempty"`
}

// NewDevice is a device to be made. Its id defaults to its serial number.
type NewDevice struct {
	ID           string `json:"id,omitempty"`
	OrgID        string `json:"orgId"`
	SerialNumber string `json:"serialNumber,omitempty"`
	Name         string `json:"name,omitempty"`
	// Secret is made, and answered once, when it is nil; an empty one makes a
	// device that cannot log in.
	Secret *string `json:"secret,omitempty"`
	// PortCount makes ports 1 to PortCount; PortNames makes one for each name,
	// numbered from 1. At most one of them is set.
	PortCount   int      `json:"portCount,omitempty"`
	PortNames   []string `json:"portNames,omitempty"`
	AcceptPast  string   `json:"acceptPast,omitempty"` // such as 720h or 90d
	AcceptAhead string   `json:"acceptAhead,omitempty"`
	AssumeZone  string   `json:"assumeZone,omitempty"` // such as Europe/Berlin
	Tags        []string `json:"tags,omitempty"`
}

// DeviceChange replaces what is not nil.
type DeviceChange struct {
	Name         *string  `json:"name,omitempty"`
	SerialNumber *string  `json:"serialNumber,omitempty"` // swaps the hardware; history stays
	Secret       *string  `json:"secret,omitempty"`       // empty: it cannot log in any more
	RotateSecret bool     `json:"rotateSecret,omitempty"` // makes a secret and answers it
	AcceptPast   *string  `json:"acceptPast,omitempty"`   // "default" goes back to 30 days
	AcceptAhead  *string  `json:"acceptAhead,omitempty"`  // "default" goes back to 5 minutes
	AssumeZone   *string  `json:"assumeZone,omitempty"`   // empty: times without zone are refused
	Tags         []string `json:"tags,omitzero"`          // all of them; empty, not nil: none
}

// DeviceQuery chooses devices.
type DeviceQuery struct {
	OrgID          string
	Tags           []string // carry all of them
	IncludeDeleted bool
	Ports          bool // answer the ports with each
	Page
}

// DeviceImport is the answer to a bulk import, a result for each row.
type DeviceImport struct {
	DryRun  bool              `json:"dryRun"` // nothing was made; the rest says what would be
	Created int               `json:"created"`
	Failed  int               `json:"failed"`
	Items   []DeviceImportRow `json:"items"`
}

// DeviceImportRow is what became of one row.
type DeviceImportRow struct {
	Line    int    `json:"line"`
	ID      string `json:"id,omitempty"`
	Created bool   `json:"created"`
	Secret  string `json:"secret,omitempty"` // when it was made by the server
	Error   string `json:"error,omitempty"`
}

// CreateDevice makes a device with its ports.
func (c *Client) CreateDevice(ctx context.Context, d NewDevice) (Device, error) {
	var out Device
	return out, c.call(ctx, http.MethodPost, "/devices", nil, d, &out)
}

// ImportDevices makes devices from CSV with the header
// id,org,serial,secret,ports,tags; ports is how many, or names separated by ";",
// and so are tags. With dryRun it asks what would become of each row.
func (c *Client) ImportDevices(ctx context.Context, csv io.Reader, dryRun bool) (DeviceImport, error) {
	path := "/devices/import"
	if dryRun {
		path += "?dryRun=true"
	}
	var out DeviceImport
	return out, c.upload(ctx, path, csv, &out)
}

// Devices lists in order of id.
func (c *Client) Devices(ctx context.Context, q DeviceQuery) (List[Device], error) {
	v := q.values()
	set(v, "orgId", q.OrgID)
	for _, tag := range q.Tags {
		v.Add("tag", tag)
	}
	if q.IncludeDeleted {
		v.Set("includeDeleted", strconv.FormatBool(true))
	}
	if q.Ports {
		v.Set("ports", strconv.FormatBool(true))
	}
	var out List[Device]
	return out, c.call(ctx, http.MethodGet, "/devices", v, nil, &out)
}

// Device answers one with its ports.
func (c *Client) Device(ctx context.Context, id string) (Device, error) {
	var out Device
	return out, c.call(ctx, http.MethodGet, "/devices"+seg(id), nil, nil, &out)
}

// LifecycleEvent is a coming or going of a device, or what it says of itself.
type LifecycleEvent struct {
	At     store.Time            `json:"at"`
	Status string                `json:"status"` // online or offline; a device may say something else
	Reason string                `json:"reason"`
	Source store.LifecycleSource `json:"source"` // server or device: who says so
}

// Lifecycle lists the comings and goings of a device, newest first; zero times
// are open.
func (c *Client) Lifecycle(ctx context.Context, id string, from, to time.Time, page Page) (List[LifecycleEvent], error) {
	v := page.values()
	setTime(v, "from", from)
	setTime(v, "to", to)
	var out List[LifecycleEvent]
	return out, c.call(ctx, http.MethodGet, "/devices"+seg(id)+"/lifecycle", v, nil, &out)
}

// DeviceLifecycleEvent is one with whose it is.
type DeviceLifecycleEvent struct {
	DeviceID string `json:"deviceId"`
	OrgID    string `json:"orgId"`
	LifecycleEvent
}

// Lifecycles lists the comings and goings of all devices, or of those of an
// organization, newest first; zero times are open.
func (c *Client) Lifecycles(ctx context.Context, orgID string, from, to time.Time, page Page) (List[DeviceLifecycleEvent], error) {
	v := page.values()
	set(v, "orgId", orgID)
	setTime(v, "from", from)
	setTime(v, "to", to)
	var out List[DeviceLifecycleEvent]
	return out, c.call(ctx, http.MethodGet, "/lifecycle", v, nil, &out)
}

// UpdateDevice changes one.
func (c *Client) UpdateDevice(ctx context.Context, id string, ch DeviceChange) (Device, error) {
	var out Device
	return out, c.call(ctx, http.MethodPatch, "/devices"+seg(id), nil, ch, &out)
}

// RetireDevice ends a device's logins, keeps its history under its id, and
// frees its serial number.
func (c *Client) RetireDevice(ctx context.Context, id string) (Device, error) {
	var out Device
	return out, c.call(ctx, http.MethodPost, "/devices"+seg(id)+"/retire", nil, nil, &out)
}

// DeleteDevice hides a device and its readings. Its id stays reserved.
func (c *Client) DeleteDevice(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/devices"+seg(id), nil, nil, nil)
}
