package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"tidegate/store"
)

// Status is how the server is.
type Status struct {
	Ready       bool         `json:"ready"`
	Version     string       `json:"version"`
	Store       string       `json:"store"` // embedded or mongo
	StartedAt   store.Time   `json:"startedAt"`
	PID         int          `json:"pid"`
	DataDir     string       `json:"dataDir"`
	HTTP        string       `json:"http"` // address that it listens on
	MQTT        string       `json:"mqtt"`
	Log         LogStatus    `json:"log"`
	Ledger      store.Ledger `json:"ledger"`
	Connections int          `json:"connections"` // MQTT clients now
	Devices     int          `json:"devices"`
	DiskFree    int64        `json:"diskFreeBytes"`          // of the data folder's file system
	DiskUsed    int64        `json:"diskUsedBytes"`          // by readings
	DiskPerDay  int64        `json:"diskBytesPerDay"`        // of readings; 0: not known yet
	DiskDays    *int         `json:"diskDaysLeft,omitempty"` // at that rate; nil: not known yet
	Warnings    []string     `json:"warnings"`
	// Raw is the whole answer, with what this client does not know.
	Raw json.RawMessage `json:"-"`
}

// LogStatus is how far the log is ahead of the store.
type LogStatus struct {
	Depth      uint64   `json:"depth"` // records behind the writer's cursor
	Bytes      int64    `json:"bytes"` // of the file
	MaxBytes   int64    `json:"maxBytes"`
	ETASeconds *float64 `json:"etaSeconds,omitempty"` // until the backlog is drained; nil: unknown, or none
}

// Status answers how the server is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var raw json.RawMessage
	if err := c.call(ctx, http.MethodGet, "/status", nil, nil, &raw); err != nil {
		return Status{}, err
	}
	s := Status{Raw: raw}
	if err := json.Unmarshal(raw, &s); err != nil {
		return Status{}, fmt.Errorf("decode status: %w", err)
	}
	return s, nil
}

// Backup streams a backup of everything into w and answers its bytes.
func (c *Client) Backup(ctx context.Context, w io.Writer) (int64, error) {
	n, err := c.copyTo(ctx, w, request{method: http.MethodGet, path: "/backup"})
	if err != nil {
		return n, fmt.Errorf("back up: %w", err)
	}
	return n, nil
}
