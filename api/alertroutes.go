package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

type listAlertRulesInput struct {
	PageInput
	OrgID   string         `query:"orgId" as:"id" doc:"of this organization"`
	Q       string         `query:"q" maxLength:"200" doc:"is in the id, the name or the owner, whatever the case"`
	Enabled optional[bool] `query:"enabled"`
}

// wanted answers what the parameters choose; nil: every rule.
func (in *listAlertRulesInput) wanted() func(store.AlertRule) bool {
	if in.Q == "" && !in.Enabled.Set {
		return nil
	}
	q := newSearch(in.Q)
	return func(r store.AlertRule) bool { return in.Enabled.takes(r.Enabled) && q.in(r.ID, r.Name, r.Owner) }
}

func (s *Server) listAlertRules(ctx context.Context, in *listAlertRulesInput) (*answer[List[AlertRule]], error) {
	seen := s.admin.seen(ctx)
	if in.OrgID != "" {
		if _, err := seen.organization(ctx, in.OrgID); err != nil {
			return nil, err
		}
	}
	l := lister[store.AlertRule]{
		piece: func(after string, n int) ([]store.AlertRule, error) {
			return seen.listAlertRules(ctx, store.AlertRuleFilter{OrgID: in.OrgID, Page: store.Page{After: after, Limit: n}})
		},
		id:     func(r store.AlertRule) string { return r.ID },
		wanted: in.wanted(),
	}
	rules, next, err := l.page(in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	return listOf(rules, next, newAlertRule), nil
}

func (s *Server) routeAlertRules() {
	tags := []string{"alert rules"}
	const path = "/api/v1/alert-rules"
	type IDInput struct {
		ID string `path:"id"`
	}
	route(s, reads, huma.Operation{
		OperationID: "list-alert-rules", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List alert rules in order of id", Description: shortPages,
	}, s.listAlertRules)
	route(s, writes, huma.Operation{
		OperationID: "create-alert-rule", Method: http.MethodPost, Path: path, Tags: tags,
		Summary:       "Make an alert rule",
		Description:   "Devices that are selected by id have to be there; a rule outlives them, and watches the others.",
		DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct{ Body NewAlertRule }) (*answer[AlertRule], error) {
		r, err := s.admin.CreateAlertRule(ctx, in.Body)
		return &answer[AlertRule]{r}, err
	})
	route(s, reads, huma.Operation{
		OperationID: "get-alert-rule", Method: http.MethodGet, Path: path + "/{id}", Tags: tags,
		Summary: "Get an alert rule",
	}, func(ctx context.Context, in *IDInput) (*answer[AlertRule], error) {
		r, err := s.admin.seen(ctx).alertRule(ctx, in.ID)
		return &answer[AlertRule]{newAlertRule(r)}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "update-alert-rule", Method: http.MethodPatch, Path: path + "/{id}", Tags: tags,
		Summary: "Change an alert rule",
		Description: "Selection, condition, schedule and lists are replaced as a whole. Where selection, condition, for, keepFiringFor or the schedule change, " +
			"open episodes of the rule end, and it begins anew. Give revision to change nothing that somebody else has changed meanwhile.",
	}, func(ctx context.Context, in *struct {
		IDInput
		Body AlertRuleChange
	},
	) (*answer[AlertRule], error) {
		r, err := s.admin.UpdateAlertRule(ctx, in.ID, in.Body)
		return &answer[AlertRule]{r}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "delete-alert-rule", Method: http.MethodDelete, Path: path + "/{id}", Tags: tags,
		Summary: "Delete an alert rule; its open episodes end", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *IDInput) (*none, error) {
		return &none{}, s.admin.DeleteAlertRule(ctx, in.ID)
	})
	route(s, reads, huma.Operation{
		OperationID: "list-alert-rule-history", Method: http.MethodGet, Path: path + "/{id}/history", Tags: tags,
		Summary: "List the edits of an alert rule in order", Description: shortPages,
	}, s.alertRuleHistory)
}
