package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// Status is how the server is.
type Status struct {
	Ready       bool            `json:"ready"`
	Whole       bool            `json:"whole" doc:"false: the caller does not have the whole box, and what would tell of it, or of others, is zero or empty"`
	Version     string          `json:"version"`
	Store       string          `json:"store" enum:"embedded,mongo"`
	StartedAt   store.Time      `json:"startedAt"`
	PID         int             `json:"pid"`
	DataDir     string          `json:"dataDir"`
	HTTP        string          `json:"http" doc:"address that it listens on; empty: only with TLS"`
	MQTT        string          `json:"mqtt" doc:"address that it listens on; empty: only with TLS"`
	TLS         *TLSStatus      `json:"tls,omitempty" doc:"with a certificate only"`
	Database    *DatabaseStatus `json:"database,omitempty" doc:"with MongoDB only"`
	Alarms      *AlarmStatus    `json:"alarms,omitempty" doc:"that go on"`
	Log         LogStatus       `json:"log"`
	Ledger      store.Ledger    `json:"ledger"`
	Connections int             `json:"connections" doc:"MQTT clients now"`
	Devices     int             `json:"devices"`
	States      DeviceStates    `json:"deviceStates" doc:"of the active devices that the caller sees"`
	// PerSecond is of the devices that are seen.
	PerSecond   float64 `json:"readingsPerSecond" doc:"of the devices that the caller sees, as they came in the last ten seconds, whatever became of them"`
	DeadLetters *int64  `json:"deadLetters,omitempty" doc:"that are kept; absent for whoever does not have the whole box"`
	DiskFree    int64   `json:"diskFreeBytes" doc:"of the data folder's file system"`
	DiskUsed    int64   `json:"diskUsedBytes" doc:"by readings; with MongoDB by the files of the data folder"`
	DiskPerDay  int64   `json:"diskBytesPerDay" doc:"of readings, by the newest month; 0: not known yet"`
	// DiskDaysLeft is nil while nobody knows.
	DiskDaysLeft *int     `json:"diskDaysLeft,omitempty" doc:"at that rate; absent: not known yet"`
	Warnings     []string `json:"warnings" nullable:"false"`
}

// DeviceStates counts active devices. Each is online or offline; those that are
// silent are among both.
type DeviceStates struct {
	Online  int `json:"online" doc:"connected over MQTT"`
	Offline int `json:"offline" doc:"not connected over MQTT; a device that sends over HTTP is never"`
	Silent  int `json:"silent" doc:"seen before, and not heard of for 15 minutes, neither by its connection nor by a reading"`
}

// silentAfter is how long a device is not heard of until it is silent.
const silentAfter = 15 * time.Minute

// TLSStatus is what the server proves itself with, and where.
type TLSStatus struct {
	HTTP        string     `json:"http" doc:"address that it listens on; empty: none"`
	MQTT        string     `json:"mqtt" doc:"address that it listens on; empty: none"`
	Subject     string     `json:"subject" doc:"of the certificate"`
	NotAfter    store.Time `json:"notAfter" doc:"when it ends"`
	DaysLeft    int        `json:"daysLeft" doc:"whole days until then; negative: it has ended"`
	Fingerprint string     `json:"fingerprint" doc:"SHA-256, as browsers show it"`
	SelfSigned  bool       `json:"selfSigned" doc:"nobody but the box vouches for it"`
}

// DatabaseStatus is how the database behind the store is.
type DatabaseStatus struct {
	Kind      string   `json:"kind" doc:"standalone, replica set, sharded; empty: not reached yet"`
	Version   string   `json:"version" doc:"of the server; empty: not reached yet"`
	Name      string   `json:"name" doc:"of the database"`
	Hosts     []string `json:"hosts" nullable:"false"`
	Reachable bool     `json:"reachable"`
	// Since is of Reachable.
	Since   store.Time `json:"since" doc:"when it was lost, or found"`
	Error   string     `json:"error,omitempty" doc:"why it is not reachable, or does not take readings"`
	Writer  string     `json:"writer,omitempty" doc:"who holds the lease to write readings"`
	Behind  int64      `json:"mirrorBehind" doc:"dead letters, audit entries, hours of the ledger and alert events that are not yet copied there"`
	Refused uint64     `json:"refused" doc:"readings that the server refused after they were accepted; they count as rejected"`
	// LastRefused are a few, newest first.
	LastRefused []RefusedReading `json:"lastRefused,omitempty" nullable:"false" doc:"the newest of them"`
}

// RefusedReading is a reading that the database did not take.
type RefusedReading struct {
	At       store.Time `json:"at"`
	Reason   string     `json:"reason" doc:"in the server's words"`
	Document string     `json:"document" doc:"the reading, as JSON"`
}

// AlarmStatus is what goes on, and who has to hear of it yet.
type AlarmStatus struct {
	Info     int `json:"info"`
	Warning  int `json:"warning"`
	Critical int `json:"critical"`
	Queued   int `json:"notificationsQueued" doc:"what channels are to be told yet"`
}

// LogStatus is how far the log is ahead of the store.
type LogStatus struct {
	Depth          uint64   `json:"depth" doc:"records behind the writer's cursor"`
	Bytes          int64    `json:"bytes" doc:"of the file"`
	MaxBytes       int64    `json:"maxBytes"`
	DrainPerSecond float64  `json:"drainPerSecond" doc:"records that were applied a second, of late"`
	ETASeconds     *float64 `json:"etaSeconds,omitempty" doc:"until the backlog is drained; absent: unknown, or there is none"`
}

// RetentionReport is what is dropped, or would be.
type RetentionReport struct {
	KeepMonths int              `json:"keepMonths" doc:"0: nothing is dropped"`
	Months     []RetentionMonth `json:"months" nullable:"false"`
}

// RetentionOrder drops months.
type RetentionOrder struct {
	KeepMonths int `json:"keepMonths" minimum:"1" maximum:"1200" doc:"so many months stay, this one included"`
}

// RetentionMonth is a month of readings.
type RetentionMonth struct {
	Month string `json:"month" example:"2025-09"`
	Bytes int64  `json:"bytes"`
}

// Grant is a short-lived login.
type Grant struct {
	Name      string     `json:"name"`
	Secret    string     `json:"secret"`
	OrgID     string     `json:"orgId"`
	ExpiresAt store.Time `json:"expiresAt"`
}

// NewGrant asks for a short-lived login.
type NewGrant struct {
	OrgID string `json:"orgId" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" example:"acme"`
	TTL   string `json:"ttl,omitempty" doc:"at most 24h; absent: 1h" example:"1h"`
}

const (
	defaultGrantTTL = time.Hour
	maxGrantTTL     = 24 * time.Hour
)

func (s *Server) routeOperation() {
	tags := []string{"operation"}
	route(s, reads, huma.Operation{
		OperationID: "get-status", Method: http.MethodGet, Path: "/api/v1/status", Tags: tags,
		Summary:     "Say how the server is",
		Description: "Whoever does not have the whole box is told ready, version, store, startedAt, mqtt, tls, and of the devices that they see how many there are, in which states, and how many of their readings come a second.",
	}, func(ctx context.Context, _ *none) (*answer[Status], error) {
		if s.o.Status == nil {
			return nil, errAbsent("status")
		}
		st, err := s.o.Status(ctx)
		st.Whole = true
		seen := s.admin.seen(ctx)
		if !seen.access.May(store.ActionCompany) {
			// What tells of the box, or of others, is left out.
			st = Status{Ready: st.Ready, Version: st.Version, Store: st.Store, StartedAt: st.StartedAt, MQTT: st.MQTT, TLS: st.TLS, Devices: len(seen.allKnown())}
		} else if letters, lerr := s.o.Letters.CountDeadLetters(ctx); lerr == nil {
			n := int64(0)
			for _, of := range letters {
				n += of
			}
			st.DeadLetters = &n
		} else if err == nil {
			err = fmt.Errorf("count dead letters: %w", lerr)
		}
		st.States, st.PerSecond = s.deviceStates(seen)
		if st.Warnings == nil {
			st.Warnings = []string{}
		}
		return &answer[Status]{st}, err
	})
	route(s, company, huma.Operation{
		OperationID: "get-backup", Method: http.MethodGet, Path: "/api/v1/backup", Tags: tags,
		Summary:   "Stream a backup of everything, secrets included",
		Responses: streams("application/octet-stream", "one file for tidegate restore", &huma.Schema{Type: huma.TypeString, Format: "binary"}),
	}, s.backup)
	route(s, ingests, huma.Operation{
		OperationID: "create-ingest-credential", Method: http.MethodPost, Path: "/api/v1/credentials/ingest", Tags: tags,
		Summary: "Make a short-lived login that publishes for an organization's devices", DefaultStatus: http.StatusCreated,
	}, s.grant)
	route(s, company, huma.Operation{
		OperationID: "preview-retention", Method: http.MethodGet, Path: "/api/v1/retention", Tags: tags,
		Summary: "Say which months would be dropped",
	}, func(ctx context.Context, in *struct {
		KeepMonths int `query:"keepMonths" minimum:"1" maximum:"1200" doc:"absent: as configured"`
	},
	) (*answer[RetentionReport], error) {
		if s.o.Retention == nil {
			return nil, errAbsent("retention")
		}
		keep := in.KeepMonths
		if keep == 0 {
			keep = s.o.Retention.KeepMonths()
		}
		return s.retention(ctx, keep, s.o.Retention.Preview)
	})
	route(s, company, huma.Operation{
		OperationID: "apply-retention", Method: http.MethodPost, Path: "/api/v1/retention/apply", Tags: tags,
		Summary: "Drop whole months of readings",
	}, func(ctx context.Context, in *struct{ Body RetentionOrder }) (*answer[RetentionReport], error) {
		if s.o.Retention == nil {
			return nil, errAbsent("retention")
		}
		// Half a removal helps nobody: it goes on when the client does not.
		return s.retention(context.WithoutCancel(ctx), in.Body.KeepMonths, s.o.Retention.Apply)
	})
}

// deviceStates counts the active devices that are seen, and their readings a
// second. For who sees all, what belongs to no device counts too.
func (s *Server) deviceStates(seen scope) (n DeviceStates, perSecond float64) {
	now := s.o.Now()
	for _, d := range seen.allKnown() {
		if d.State != store.DeviceActive {
			continue
		}
		p := s.presenceOf(d.UID)
		if p.Online {
			n.Online++
		} else {
			n.Offline++
		}
		if !p.LastSeen.IsZero() && now.Sub(p.LastSeen) > silentAfter {
			n.Silent++
		}
		if s.o.Pulse != nil {
			_, rate := s.o.Pulse(d.UID)
			perSecond += rate
		}
	}
	if seen.access.Whole() && s.o.Pulse != nil {
		_, rate := s.o.Pulse(0)
		perSecond += rate
	}
	return n, perSecond
}

func errAbsent(what string) error {
	return store.Unavailable(what, "is not at hand yet; try again in some seconds")
}

func (s *Server) retention(ctx context.Context, keep int, fn func(context.Context, int) ([]RetentionMonth, error)) (*answer[RetentionReport], error) {
	r := RetentionReport{KeepMonths: keep, Months: []RetentionMonth{}}
	if keep <= 0 {
		return &answer[RetentionReport]{r}, nil
	}
	months, err := fn(ctx, keep)
	if err != nil {
		return nil, fmt.Errorf("retention: %w", err)
	}
	r.Months = append(r.Months, months...)
	return &answer[RetentionReport]{r}, nil
}

// backup is written to the trail: who has it can read everything.
func (s *Server) backup(ctx context.Context, _ *none) (*huma.StreamResponse, error) {
	if s.o.Backup == nil {
		return nil, errAbsent("backup")
	}
	err := s.admin.do(ctx, change{"backup.read", "backup", "", "", nil, nil}, func() error { return nil })
	if err != nil {
		return nil, err
	}
	return s.streamed("application/octet-stream", func(w *stream) error {
		w.w.Header().Set("Content-Disposition", `attachment; filename="tidegate-backup.tar.zst"`)
		return s.o.Backup(ctx, w)
	}), nil
}

func (s *Server) grant(ctx context.Context, in *struct{ Body NewGrant }) (*answer[Grant], error) {
	ttl := defaultGrantTTL
	if in.Body.TTL != "" {
		var err error
		if ttl, err = parseDuration(in.Body.TTL); err != nil || ttl < time.Second || ttl > maxGrantTTL {
			return nil, invalidParam("body.ttl", fmt.Sprintf("%q is not a duration between 1s and %s", in.Body.TTL, maxGrantTTL))
		}
	}
	if _, err := s.admin.seen(ctx).organization(ctx, in.Body.OrgID); err != nil {
		return nil, err
	}
	out := Grant{OrgID: in.Body.OrgID, ExpiresAt: at(s.o.Now().Add(ttl))}
	shown := out
	shown.Secret = blanked
	err := s.admin.do(ctx, change{"credential.grant", "credential", "", in.Body.OrgID, nil, shown}, func() error {
		out.Name, out.Secret = s.admin.o.Registry.Grant(in.Body.OrgID, ttl)
		return nil
	})
	return &answer[Grant]{out}, err
}
