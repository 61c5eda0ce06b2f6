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
	Ready       bool         `json:"ready"`
	Version     string       `json:"version"`
	Store       string       `json:"store" enum:"embedded,mongo"`
	StartedAt   store.Time   `json:"startedAt"`
	PID         int          `json:"pid"`
	DataDir     string       `json:"dataDir"`
	HTTP        string       `json:"http" doc:"address that it listens on"`
	MQTT        string       `json:"mqtt" doc:"address that it listens on"`
	Log         LogStatus    `json:"log"`
	Ledger      store.Ledger `json:"ledger"`
	Connections int          `json:"connections" doc:"MQTT clients now"`
	Devices     int          `json:"devices"`
	DiskFree    int64        `json:"diskFreeBytes" doc:"of the data folder's file system"`
	DiskUsed    int64        `json:"diskUsedBytes" doc:"by readings"`
	DiskPerDay  int64        `json:"diskBytesPerDay" doc:"of readings, by the newest month; 0: not known yet"`
	// DiskDaysLeft is nil while nobody knows.
	DiskDaysLeft *int     `json:"diskDaysLeft,omitempty" doc:"at that rate; absent: not known yet"`
	Warnings     []string `json:"warnings" nullable:"false"`
}

// LogStatus is how far the log is ahead of the store.
type LogStatus struct {
	Depth      uint64   `json:"depth" doc:"records behind the writer's cursor"`
	Bytes      int64    `json:"bytes" doc:"of the file"`
	MaxBytes   int64    `json:"maxBytes"`
	ETASeconds *float64 `json:"etaSeconds,omitempty" doc:"until the backlog is drained; absent: unknown, or there is none"`
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
	OrgID string `json:"orgId"`
	TTL   string `json:"ttl,omitempty" doc:"at most 24h; absent: 1h" example:"1h"`
}

const (
	defaultGrantTTL = time.Hour
	maxGrantTTL     = 24 * time.Hour
)

func (s *Server) routeOperation() {
	tags := []string{"operation"}
	route(s, huma.Operation{
		OperationID: "get-status", Method: http.MethodGet, Path: "/api/v1/status", Tags: tags,
		Summary: "Say how the server is",
	}, func(ctx context.Context, _ *none) (*answer[Status], error) {
		if s.o.Status == nil {
			return nil, errAbsent("status")
		}
		st, err := s.o.Status(ctx)
		if st.Warnings == nil {
			st.Warnings = []string{}
		}
		return &answer[Status]{st}, err
	})
	route(s, huma.Operation{
		OperationID: "get-backup", Method: http.MethodGet, Path: "/api/v1/backup", Tags: tags,
		Summary:   "Stream a backup of everything, secrets included",
		Responses: streams("application/octet-stream", "one file for tidegate restore", &huma.Schema{Type: huma.TypeString, Format: "binary"}),
	}, s.backup)
	route(s, huma.Operation{
		OperationID: "create-ingest-credential", Method: http.MethodPost, Path: "/api/v1/credentials/ingest", Tags: tags,
		Summary: "Make a short-lived login that publishes for an organization's devices", DefaultStatus: http.StatusCreated,
	}, s.grant)
	route(s, huma.Operation{
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
	route(s, huma.Operation{
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

func errAbsent(what string) error {
	return &store.Error{Kind: store.ErrUnavailable, Noun: what, Msg: "is not at hand yet; try again in some seconds"}
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
	err := s.admin.do(ctx, change{"backup.read", "backup", "", nil, nil}, func() error { return nil })
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
	if _, err := s.admin.o.Catalog.Organization(ctx, in.Body.OrgID); err != nil {
		return nil, err
	}
	out := Grant{OrgID: in.Body.OrgID, ExpiresAt: at(s.o.Now().Add(ttl))}
	shown := out
	shown.Secret = blanked
	err := s.admin.do(ctx, change{"credential.grant", "credential", "", nil, shown}, func() error {
		out.Name, out.Secret = s.admin.o.Registry.Grant(in.Body.OrgID, ttl)
		return nil
	})
	return &answer[Grant]{out}, err
}
