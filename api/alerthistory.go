package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"tidegate/store"
)

// AlertRuleEdit is one entry of the audit trail about a rule.
type AlertRuleEdit struct {
	Seq     uint64     `json:"seq" doc:"in the audit trail"`
	At      store.Time `json:"at"`
	Actor   string     `json:"actor" example:"user:ann@example.org"`
	Action  string     `json:"action" example:"alertrule.update" doc:"with _failed or _uncertain behind it: what became of the one before"`
	Before  *AlertRule `json:"before,omitempty"`
	After   *AlertRule `json:"after,omitempty"`
	Problem string     `json:"problem,omitempty" doc:"why it failed"`
}

const ruleNoun = "alertrule"

// alertRuleHistory answers the edits of a rule that is there, in order. What
// was told of a rule to those who may read it tells nothing new in its history,
// which is why they need not be allowed to read the trail.
func (s *Server) alertRuleHistory(ctx context.Context, in *alertRuleHistoryInput) (*answer[List[AlertRuleEdit]], error) {
	r, err := s.admin.seen(ctx).alertRule(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	after, err := auditCursor(in.Cursor)
	if err != nil {
		return nil, err
	}
	entries, next, err := s.lookThrough(ctx, after, in.Limit, func(e *store.AuditEntry) bool {
		return e.Noun == ruleNoun && e.ID == r.ID && e.OrgID == r.OrgID
	})
	if err != nil {
		return nil, err
	}
	l := List[AlertRuleEdit]{Items: make([]AlertRuleEdit, len(entries)), NextCursor: next}
	for i := range entries {
		if l.Items[i], err = editOf(&entries[i]); err != nil {
			return nil, fmt.Errorf("read entry %d of the audit trail: %w", entries[i].Seq, err)
		}
	}
	return &answer[List[AlertRuleEdit]]{l}, nil
}

type alertRuleHistoryInput struct {
	PageInput
	ID string `path:"id"`
}

func editOf(e *store.AuditEntry) (AlertRuleEdit, error) {
	edit := AlertRuleEdit{Seq: e.Seq, At: e.At, Actor: e.Actor, Action: e.Action}
	if strings.HasSuffix(e.Action, "_failed") || strings.HasSuffix(e.Action, "_uncertain") {
		var why struct{ Problem string }
		err := json.Unmarshal(e.After, &why)
		edit.Problem = why.Problem
		return edit, err
	}
	for _, side := range []struct {
		from json.RawMessage
		to   **AlertRule
	}{{e.Before, &edit.Before}, {e.After, &edit.After}} {
		if side.from == nil {
			continue
		}
		*side.to = new(AlertRule)
		if err := json.Unmarshal(side.from, *side.to); err != nil {
			return edit, err
		}
	}
	return edit, nil
}
