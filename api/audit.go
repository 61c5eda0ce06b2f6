package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// AuditVerification is the answer to a check of the audit trail.
type AuditVerification struct {
	Valid   bool   `json:"valid"`
	Entries uint64 `json:"entries" doc:"that the chain holds"`
	Detail  string `json:"detail,omitempty" doc:"the first broken link"`
}

func (s *Server) routeAudit() {
	tags := []string{"audit"}
	route(s, admins, huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/api/v1/audit", Tags: tags,
		Summary:     "List changes in order, or the newest first",
		Description: "A page may have fewer items than limit, or none, and still a nextCursor: so many entries were looked at.",
	}, s.listAudit)
	route(s, company, huma.Operation{
		OperationID: "export-audit", Method: http.MethodGet, Path: "/api/v1/exports/audit.log", Tags: tags,
		Summary:     "Stream the audit trail as it is kept",
		Description: "JSON by lines, the first of which says what the file is. tidegate audit verify --file checks the chain, without a server.",
		Responses:   streams("application/x-ndjson", "the whole trail: one entry a line, behind a first line that says what the file is", s.schema(reflect.TypeFor[store.AuditEntry]())),
	}, func(ctx context.Context, _ *none) (*huma.StreamResponse, error) {
		return s.streamed("application/x-ndjson", func(w *stream) error { return s.admin.o.Audit.ExportAudit(ctx, w) }), nil
	})
	route(s, company, huma.Operation{
		OperationID: "verify-audit", Method: http.MethodGet, Path: "/api/v1/audit/verify", Tags: tags,
		Summary: "Check the chain of the audit trail",
	}, func(ctx context.Context, _ *none) (*answer[AuditVerification], error) {
		n, err := s.admin.o.Audit.VerifyAudit(ctx)
		v := AuditVerification{Valid: err == nil, Entries: n}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			// It names a link by its number, which is what was asked.
			v.Detail = err.Error()
		}
		return &answer[AuditVerification]{v}, nil
	})
}

type listAuditInput struct {
	PageInput
	TimeRange
	OrgID  string `query:"orgId" as:"id" unknown:"empty" doc:"whose the object is"`
	Actor  string `query:"actor" doc:"who made the change" example:"user:ann@example.org"`
	Action string `query:"action" doc:"such as device.update"`
	Noun   string `query:"noun" doc:"kind of the object, such as device"`
	ID     string `query:"id" doc:"of the object"`
	Order  string `query:"order" enum:"asc,desc" doc:"desc: the newest first; absent: asc"`
}

// Bounds of a filtered list.
const (
	auditPiece  = 500
	auditLooked = 20_000 // entries of a request
)

// listAudit looks through the trail from the cursor on, at so many entries at
// most: the cursor that it answers is how far it has looked.
func (s *Server) listAudit(ctx context.Context, in *listAuditInput) (*answer[List[store.AuditEntry]], error) {
	at, err := auditCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	from, to, err := parseRange(in.From, in.To)
	if err != nil {
		return nil, err
	}
	a, _ := actorFrom(ctx)
	since, err := s.admin.seen(ctx).since(ctx)
	if err != nil {
		return nil, err
	}
	from = max(from, since)
	wanted := func(e *store.AuditEntry) bool {
		return (a.Access.Whole() || e.OrgID != "" && a.Access.SeesOrg(e.OrgID)) &&
			int64(e.At) >= from && int64(e.At) < to && is(in.OrgID, e.OrgID) && is(in.Actor, e.Actor) &&
			is(in.Action, e.Action) && is(in.Noun, e.Noun) && is(in.ID, e.ID)
	}
	look := s.lookThrough
	if in.Order == "desc" {
		look = s.lookBack
	}
	entries, next, err := look(ctx, at, in.Limit, wanted)
	if err != nil {
		return nil, err
	}
	return listOf(entries, next, func(e store.AuditEntry) store.AuditEntry { return e }), nil
}

// lookThrough answers at most limit entries of the trail behind after that are
// wanted, and the cursor of the next page; empty: this was the last.
func (s *Server) lookThrough(ctx context.Context, after uint64, limit int, wanted func(*store.AuditEntry) bool) (items []store.AuditEntry, next string, err error) {
	for looked := 0; ; {
		entries, err := s.admin.o.Audit.ListAudit(ctx, after, auditPiece)
		if err != nil {
			return nil, "", fmt.Errorf("list audit trail: %w", err)
		}
		for i := range entries {
			if wanted(&entries[i]) {
				if len(items) == limit {
					return items, strconv.FormatUint(after, 10), nil
				}
				items = append(items, entries[i])
			}
			after = entries[i].Seq
		}
		if looked += len(entries); len(entries) < auditPiece {
			return items, "", nil
		}
		if looked >= auditLooked {
			return items, strconv.FormatUint(after, 10), nil
		}
	}
}

// lookBack is lookThrough from the newest entry on, or from the one before
// before when that is not 0.
func (s *Server) lookBack(ctx context.Context, before uint64, limit int, wanted func(*store.AuditEntry) bool) (items []store.AuditEntry, next string, err error) {
	if before == 0 {
		last, err := s.admin.o.Audit.LastAudit(ctx)
		if err != nil {
			return nil, "", fmt.Errorf("find the end of the audit trail: %w", err)
		}
		before = last + 1
	}
	for looked := 0; before > 1; {
		n := min(before-1, auditPiece)
		entries, err := s.admin.o.Audit.ListAudit(ctx, before-1-n, int(n))
		if err != nil {
			return nil, "", fmt.Errorf("list audit trail: %w", err)
		}
		if len(entries) == 0 { // a cursor beyond the end
			return items, "", nil
		}
		for _, e := range slices.Backward(entries) {
			if wanted(&e) {
				if len(items) == limit {
					return items, strconv.FormatUint(before, 10), nil
				}
				items = append(items, e)
			}
			before = e.Seq
		}
		if looked += len(entries); looked >= auditLooked && before > 1 {
			return items, strconv.FormatUint(before, 10), nil
		}
	}
	return items, "", nil
}

// auditCursor is the inverse of the cursor that lookThrough and lookBack
// answer: the entry that was looked at last; 0: none.
func auditCursor(cursor string) (at uint64, err error) {
	if cursor == "" {
		return 0, nil
	}
	if at, err = strconv.ParseUint(cursor, 10, 64); err != nil {
		return 0, invalidParam("query.cursor", "is not a nextCursor of this query")
	}
	return at, nil
}

// is reports whether a filter, when it is given, chooses v.
func is(filter, v string) bool { return filter == "" || filter == v }
