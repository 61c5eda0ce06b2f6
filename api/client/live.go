package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"nhooyr.io/websocket"

	"tidegate/store"
)

// The kinds of live events.
const (
	KindReadings   = "readings"
	KindLifecycle  = "lifecycle"
	KindRejections = "rejections"
	KindAlerts     = "alerts"
	KindMessages   = "messages" // of Subscription.Devices, eight at most
)

// LivePort chooses the events of one port.
type LivePort struct {
	DeviceID   string `json:"deviceId"`
	PortNumber uint16 `json:"portNumber"`
}

// Subscription chooses live events; empty fields choose all. No kinds are
// readings, lifecycle and rejections.
type Subscription struct {
	Kinds   []string
	OrgID   string
	Devices []string
	Ports   []LivePort
	// Snapshot asks for how things stand, before what changes.
	Snapshot bool
	// Stream and After go on behind the message that had them, where the server
	// still has what came since; subscribed says whether.
	Stream string
	After  uint64
}

// LiveMessage is one message of the server; Type says which fields are set.
type LiveMessage struct {
	Type string `json:"type"` // subscribed, snapshot, readings, lifecycle, rejection, alert, message, skipped

	ID      int64  `json:"id"`
	Seq     uint64 `json:"seq"`     // all up to here was told
	Stream  string `json:"stream"`  // subscribed
	Resumed bool   `json:"resumed"` // subscribed: what was missed follows

	Items   []store.Reading `json:"items"`   // readings, in the order of storing
	Skipped uint64          `json:"skipped"` // events passed over since the last message, because this client was slow

	At       store.Time `json:"at"` // lifecycle, rejection
	OrgID    string     `json:"orgId"`
	DeviceID string     `json:"deviceId"`
	Port     string     `json:"port"`   // rejection: as sent
	Status   string     `json:"status"` // lifecycle: online or offline
	Reason   string     `json:"reason"` // of a disconnect, or of a rejection
	Line     string     `json:"line"`   // rejection: cause and fix, one line

	Alert *store.AlertEvent `json:"alert"` // alert: as it is after the change

	Detail string `json:"detail"` // error, and snapshot: why readings are missing

	// Raw is the message as it came.
	Raw json.RawMessage `json:"-"`
}

// maxLiveMessage bounds what one live message may weigh.
const maxLiveMessage = 4 << 20

// Tail calls fn for every live message until ctx ends, fn fails, or the
// connection breaks. It answers nil only when ctx ended.
func (c *Client) Tail(ctx context.Context, s Subscription, fn func(LiveMessage) error) error {
	h := http.Header{}
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
	// The scheme is mapped to http by the library; the transport dials.
	u := "ws" + strings.TrimPrefix(c.base.String(), "http") + "/api/v1/live"
	conn, resp, err := websocket.Dial(ctx, u, &websocket.DialOptions{HTTPClient: c.http, HTTPHeader: h})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return readProblem(resp)
		}
		return c.unreachable(err)
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxLiveMessage)
	sub, err := json.Marshal(map[string]any{
		"type": "subscribe", "id": 1, "kinds": s.Kinds, "orgId": s.OrgID, "devices": s.Devices, "ports": s.Ports,
		"snapshot": s.Snapshot, "stream": s.Stream, "after": s.After,
	})
	if err != nil {
		return fmt.Errorf("encode subscription: %w", err)
	}
	if err := conn.Write(ctx, websocket.MessageText, sub); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for {
		_, b, err := conn.Read(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("live: %w", err)
		}
		m := LiveMessage{Raw: b}
		if err := json.Unmarshal(b, &m); err != nil {
			return fmt.Errorf("live: decode message: %w", err)
		}
		if m.Type == "error" {
			return errors.New("live: " + m.Detail)
		}
		if err := fn(m); err != nil {
			return err
		}
	}
}
