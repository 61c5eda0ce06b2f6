package api

import (
	"context"
	"fmt"
	"net/http"
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
	route(s, huma.Operation{
		OperationID: "list-audit", Method: http.MethodGet, Path: "/api/v1/audit", Tags: tags,
		Summary: "List changes in order",
	}, func(ctx context.Context, in *PageInput) (*answer[List[store.AuditEntry]], error) {
		var after uint64
		if in.Cursor != "" {
			var err error
			if after, err = strconv.ParseUint(in.Cursor, 10, 64); err != nil {
				return nil, invalidParam("query.cursor", "is not a nextCursor of this query")
			}
		}
		entries, err := s.admin.o.Audit.ListAudit(ctx, after, in.Limit+1)
		if err != nil {
			return nil, fmt.Errorf("list audit trail: %w", err)
		}
		l := page(entries, in.Limit, func(e store.AuditEntry) string { return strconv.FormatUint(e.Seq, 10) },
			func(e store.AuditEntry) store.AuditEntry { return e })
		return &answer[List[store.AuditEntry]]{l}, nil
	})
	route(s, huma.Operation{
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
