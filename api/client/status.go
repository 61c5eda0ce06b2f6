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
	Ready       bool            `json:"ready"`
	Whole       bool            `json:"whole"` // false: what tells of the box, or of others, is left out
	Version     string          `json:"version"`
	Store       string          `json:"store"` // embedded or mongo
	StartedAt   store.Time      `json:"startedAt"`
	PID         int             `json:"pid"`
	DataDir     string          `json:"dataDir"`
	HTTP        string          `json:"http"` // address that it listens on; empty: only with TLS
	MQTT        string          `json:"mqtt"`
	TLS         *TLSStatus      `json:"tls,omitempty"`      // nil: there is no certificate
	Database    *DatabaseStatus `json:"database,omitempty"` // nil: the embedded store
	Alarms      *AlarmStatus    `json:"alarms,omitempty"`   // that go on
	Log         LogStatus       `json:"log"`
	Ledger      store.Ledger    `json:"ledger"`
	Connections int             `json:"connections"` // MQTT clients now
	Devices     int             `json:"devices"`
	States      DeviceStates    `json:"deviceStates"`           // of active devices that are seen
	PerSecond   float64         `json:"readingsPerSecond"`      // of them, over the last ten seconds
	DeadLetters *int64          `json:"deadLetters,omitempty"`  // that are kept; nil: the caller does not have the whole box
	DiskFree    int64           `json:"diskFreeBytes"`          // of the data folder's file system
	DiskUsed    int64           `json:"diskUsedBytes"`          // by readings; with MongoDB by the folder's files
	DiskPerDay  int64           `json:"diskBytesPerDay"`        // of readings; 0: not known yet
	DiskDays    *int            `json:"diskDaysLeft,omitempty"` // at that rate; nil: not known yet
	Warnings    []string        `json:"warnings"`
	// Raw is the whole answer, with what this client does not know.
	Raw json.RawMessage `json:"-"`
}

// DeviceStates counts active devices: each is online or offline, over MQTT; the
// silent ones, not heard of for 15 minutes, are among both.
type DeviceStates struct {
	Online  int `json:"online"`
	Offline int `json:"offline"`
	Silent  int `json:"silent"`
}

// TLSStatus is what the server proves itself with, and where.
type TLSStatus struct {
	HTTP        string     `json:"http"` // address that it listens on; empty: none
	MQTT        string     `json:"mqtt"`
	Subject     string     `json:"subject"` // of the certificate
	NotAfter    store.Time `json:"notAfter"`
	DaysLeft    int        `json:"daysLeft"`    // whole days; negative: it has ended
	Fingerprint string     `json:"fingerprint"` // SHA-256
	SelfSigned  bool       `json:"selfSigned"`  // nobody but the box vouches for it
}

// DatabaseStatus is how the database behind the store is.
type DatabaseStatus struct {
	Kind      string   `json:"kind"`    // standalone, replica set, sharded; empty: not reached yet
	Version   string   `json:"version"` // of the server; empty: not reached yet
	Name      string   `json:"name"`    // of the database
	Hosts     []string `json:"hosts"`
	Reachable bool     `json:"reachable"`

	Since       store.Time       `json:"since"`                 // of Reachable
	Error       string           `json:"error,omitempty"`       // why it is not reachable, or takes no readings
	Writer      string           `json:"writer,omitempty"`      // who holds the lease to write readings
	Behind      int64            `json:"mirrorBehind"`          // what is not yet copied there
	Refused     uint64           `json:"refused"`               // readings that the server did not take; they count as rejected
	LastRefused []RefusedReading `json:"lastRefused,omitempty"` // the newest of them
}

// RefusedReading is a reading that the database did not take.
type RefusedReading struct {
	At       store.Time `json:"at"`
	Reason   string     `json:"reason"`   // in the server's words
	Document string     `json:"document"` // the reading, as JSON
}

// AlarmStatus is what goes on, and who has to hear of it yet.
type AlarmStatus struct {
	Info     int `json:"info"`
	Warning  int `json:"warning"`
	Critical int `json:"critical"`
	Queued   int `json:"notificationsQueued"`
}

// LogStatus is how far the log is ahead of the store.
type LogStatus struct {
	Depth          uint64   `json:"depth"` // records behind the writer's cursor
	Bytes          int64    `json:"bytes"` // of the file
	MaxBytes       int64    `json:"maxBytes"`
	DrainPerSecond float64  `json:"drainPerSecond"`       // records that were applied a second, of late
	ETASeconds     *float64 `json:"etaSeconds,omitempty"` // until the backlog is drained; nil: unknown, or none
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

// Check is one thing that a doctor looked at.
type Check struct {
	Name   string `json:"name"`
	State  string `json:"state"`  // ok, warning, failed
	Detail string `json:"detail"` // what was found, and the way out
}

// DoctorReport is what was found at a time.
type DoctorReport struct {
	At    store.Time `json:"at"`
	Items []Check    `json:"items"`
}

// Doctor looks at a server that runs, its folder and its machine.
func (c *Client) Doctor(ctx context.Context) (DoctorReport, error) {
	var out DoctorReport
	return out, c.call(ctx, http.MethodGet, "/doctor", nil, nil, &out)
}

// Setting is a key of the configuration and what it says.
type Setting struct {
	Key     string `json:"key"`
	Value   string `json:"value"` // of a secret a mark
	Default string `json:"default"`
	Source  string `json:"source"`           // default, file, environment, flag
	Origin  string `json:"origin,omitempty"` // such as "config.yaml line 3"
	Secret  bool   `json:"secret"`
}

// Settings are in force since the server began.
type Settings struct {
	Items   []Setting `json:"items"`
	Restart string    `json:"restart"` // when a change takes effect, in words
}

// Settings answers the configuration.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	var out Settings
	return out, c.call(ctx, http.MethodGet, "/settings", nil, nil, &out)
}
