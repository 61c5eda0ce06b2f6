package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tidegate/store"
)

// AuditVerification is the answer to a check of the audit trail.
type AuditVerification struct {
	Valid   bool   `json:"valid"`
	Entries uint64 `json:"entries"`          // that the chain holds
	Detail  string `json:"detail,omitempty"` // the first broken link
}

// Ledger answers the totals.
func (c *Client) Ledger(ctx context.Context) (store.Ledger, error) {
	var out store.Ledger
	return out, c.call(ctx, http.MethodGet, "/ledger", nil, nil, &out)
}

// LedgerHours answers the ledger by hour of receipt and device; an empty
// deviceID is all of them. The zero from is 24 hours ago, the zero to is now.
func (c *Client) LedgerHours(ctx context.Context, deviceID string, from, to time.Time) (List[store.LedgerHour], error) {
	v := url.Values{"by": {"hour"}}
	set(v, "deviceId", deviceID)
	setTime(v, "from", from)
	setTime(v, "to", to)
	var out List[store.LedgerHour]
	return out, c.call(ctx, http.MethodGet, "/ledger", v, nil, &out)
}

// AuditQuery chooses entries; empty fields choose all.
type AuditQuery struct {
	OrgID, Actor, Action, Noun, ID string
	From, To                       time.Time // the zero to is open
	Page
}

// Audit lists entries in order, those after the cursor's. A page may be short
// and still not the last.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (List[store.AuditEntry], error) {
	v := q.values()
	set(v, "orgId", q.OrgID)
	set(v, "actor", q.Actor)
	set(v, "action", q.Action)
	set(v, "noun", q.Noun)
	set(v, "id", q.ID)
	setTime(v, "from", q.From)
	setTime(v, "to", q.To)
	var out List[store.AuditEntry]
	return out, c.call(ctx, http.MethodGet, "/audit", v, nil, &out)
}

// ExportAudit streams the trail as it is kept into w.
func (c *Client) ExportAudit(ctx context.Context, w io.Writer) (int64, error) {
	return c.copyTo(ctx, w, request{method: http.MethodGet, path: "/exports/audit.log"})
}

// VerifyAudit checks the chain of the audit trail.
func (c *Client) VerifyAudit(ctx context.Context) (AuditVerification, error) {
	var out AuditVerification
	return out, c.call(ctx, http.MethodGet, "/audit/verify", nil, nil, &out)
}

// Grant is a short-lived login that publishes for an organization's devices.
type Grant struct {
	Name      string     `json:"name"`
	Secret    string     `json:"secret"`
	OrgID     string     `json:"orgId"`
	ExpiresAt store.Time `json:"expiresAt"`
}

// Grant makes a login for at most ttl, which the server caps at a day.
func (c *Client) Grant(ctx context.Context, orgID string, ttl time.Duration) (Grant, error) {
	in := map[string]any{"orgId": orgID, "ttl": ttl.String()}
	var out Grant
	return out, c.call(ctx, http.MethodPost, "/credentials/ingest", nil, in, &out)
}

// Retention is what store.keep_months drops.
type Retention struct {
	KeepMonths int              `json:"keepMonths"` // 0: nothing is ever dropped
	Months     []RetentionMonth `json:"months"`
}

// RetentionMonth is a month of readings.
type RetentionMonth struct {
	Month string `json:"month"` // such as 2025-09
	Bytes int64  `json:"bytes"`
}

// RetentionPreview answers what would go; keepMonths 0 takes the configured.
func (c *Client) RetentionPreview(ctx context.Context, keepMonths int) (Retention, error) {
	v := url.Values{}
	if keepMonths > 0 {
		v.Set("keepMonths", strconv.Itoa(keepMonths))
	}
	var out Retention
	return out, c.call(ctx, http.MethodGet, "/retention", v, nil, &out)
}

// RetentionApply drops months and answers which.
func (c *Client) RetentionApply(ctx context.Context, keepMonths int) (Retention, error) {
	var out Retention
	in := map[string]int{"keepMonths": keepMonths}
	return out, c.call(ctx, http.MethodPost, "/retention/apply", nil, in, &out)
}
