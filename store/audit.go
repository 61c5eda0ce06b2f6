package store

import (
	"context"
	"encoding/json"
	"io"
)

// AuditEntry is one change: who did what to which object. Secrets are blanked
// before they get here.
type AuditEntry struct {
	Seq    uint64          `json:"seq"`
	At     Time            `json:"at"`
	Actor  string          `json:"actor"`          // user:ann@example.org, apikey:key-…, uid:0, setup
	Role   string          `json:"role,omitempty"` // of a person
	OrgID  string          `json:"org,omitempty"`  // whose the object is; empty: the box's
	Remote string          `json:"remote,omitempty"`
	Action string          `json:"action"` // device.create, readings.drop_month, …
	Noun   string          `json:"noun"`
	ID     string          `json:"id"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
	Prev   string          `json:"prev"` // SHA-256 of the entry before, hex
	Hash   string          `json:"hash"` // SHA-256 of this entry with Hash empty, hex
}

// Audit is an append-only, hash-chained trail of changes.
type Audit interface {
	// Record completes e (Seq, Prev, Hash), fsyncs it, and answers it.
	Record(ctx context.Context, e AuditEntry) (AuditEntry, error)
	// ListAudit answers entries with Seq > after in ascending order.
	ListAudit(ctx context.Context, after uint64, limit int) ([]AuditEntry, error)
	// LastAudit answers the number of the newest entry; 0: there is none.
	// Numbers begin at 1 and have no gaps.
	LastAudit(ctx context.Context) (uint64, error)
	// ExportAudit writes the trail as it is kept, JSON by lines, so that it can
	// be verified elsewhere.
	ExportAudit(ctx context.Context, w io.Writer) error
	// VerifyAudit answers how many entries the chain holds, or an error that
	// names the first broken link.
	VerifyAudit(ctx context.Context) (uint64, error)
}
