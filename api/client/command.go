package client

import (
	"context"
	"encoding/json"
	"net/http"

	"tidegate/store"
)

// Command is something that a device is told to do.
type Command struct {
	ID             string             `json:"id"`
	OrgID          string             `json:"orgId"`
	DeviceID       string             `json:"deviceId"`
	Name           string             `json:"name"`
	Params         json.RawMessage    `json:"params,omitempty"` // any JSON; nil: none
	State          store.CommandState `json:"state"`
	CreatedBy      string             `json:"createdBy"`
	CreatedAt      store.Time         `json:"createdAt"`
	ExpiresAt      store.Time         `json:"expiresAt"`
	SentAt         *store.Time        `json:"sentAt,omitempty"` // when it last went out; nil: never
	Sent           int                `json:"sent"`             // how often it went out
	AcknowledgedAt *store.Time        `json:"acknowledgedAt,omitempty"`
	EndedAt        *store.Time        `json:"endedAt,omitempty"` // nil: it is open
	Result         json.RawMessage    `json:"result,omitempty"`  // any JSON; nil: nothing yet
	Detail         string             `json:"detail,omitempty"`  // why it failed or expired
}

// NewCommand is a command to be sent. Without ExpiresIn and ExpiresAt it expires
// in an hour.
type NewCommand struct {
	Name      string          `json:"name"`
	Params    json.RawMessage `json:"params,omitempty"`    // any JSON, at most store.MaxCommandBytes; nil: none
	ExpiresIn string          `json:"expiresIn,omitempty"` // a duration from 1s to 30d
	ExpiresAt *store.Time     `json:"expiresAt,omitempty"`
}

// CommandQuery chooses commands of a device; without a state all.
type CommandQuery struct {
	DeviceID string
	State    store.CommandState
	Page
}

func commandPath(deviceID string) string { return "/devices" + seg(deviceID) + "/commands" }

// SendCommand tells a device to do something.
func (c *Client) SendCommand(ctx context.Context, deviceID string, n NewCommand) (Command, error) {
	var out Command
	return out, c.call(ctx, http.MethodPost, commandPath(deviceID), nil, n, &out)
}

// Commands lists those of a device, newest first.
func (c *Client) Commands(ctx context.Context, q CommandQuery) (List[Command], error) {
	var out List[Command]
	v := q.Page.values()
	set(v, "state", string(q.State))
	return out, c.call(ctx, http.MethodGet, commandPath(q.DeviceID), v, nil, &out)
}

// Command answers one of a device, with what became of it.
func (c *Client) Command(ctx context.Context, deviceID, id string) (Command, error) {
	var out Command
	return out, c.call(ctx, http.MethodGet, commandPath(deviceID)+seg(id), nil, nil, &out)
}

// WithdrawCommand ends one that is open, and answers it as it is then.
func (c *Client) WithdrawCommand(ctx context.Context, deviceID, id string) (Command, error) {
	var out Command
	return out, c.call(ctx, http.MethodDelete, commandPath(deviceID)+seg(id), nil, nil, &out)
}
