package client

import (
	"context"
	"net/http"

	"tidegate/store"
)

// AlertRule says what is an alarm, and who hears of it; see store.AlertRule.
type AlertRule struct {
	ID            string            `json:"id"`
	OrgID         string            `json:"orgId"`
	Name          string            `json:"name"`
	Enabled       bool              `json:"enabled"`
	Selection     store.Selection   `json:"selection"`
	Condition     store.Condition   `json:"condition"`
	For           store.Duration    `json:"for,omitempty"`
	KeepFiring    store.Duration    `json:"keepFiringFor,omitempty"`
	JoinWithin    store.Duration    `json:"joinWithin,omitempty"`
	Severity      store.Severity    `json:"severity"`
	Message       string            `json:"message,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Channels      []string          `json:"channels,omitempty"` // ids
	RepeatEvery   store.Duration    `json:"repeatEvery,omitempty"`
	EscalateAfter store.Duration    `json:"escalateAfter,omitempty"`
	EscalateTo    []string          `json:"escalateTo,omitempty"`
	Schedule      *store.Schedule   `json:"schedule,omitempty"` // nil: always
	Owner         string            `json:"owner,omitempty"`
	Revision      uint64            `json:"revision"`
	CreatedAt     store.Time        `json:"createdAt"`
	UpdatedAt     store.Time        `json:"updatedAt"`
	UpdatedBy     string            `json:"updatedBy"`
}

// NewAlertRule is a rule to be made.
type NewAlertRule struct {
	OrgID         string            `json:"orgId"`
	Name          string            `json:"name"`
	Enabled       *bool             `json:"enabled,omitempty"`   // nil: true
	Selection     store.Selection   `json:"selection,omitempty"` // zero: all ports of the organization
	Condition     store.Condition   `json:"condition"`
	For           store.Duration    `json:"for,omitempty"`
	KeepFiring    store.Duration    `json:"keepFiringFor,omitempty"`
	JoinWithin    store.Duration    `json:"joinWithin,omitempty"`
	Severity      store.Severity    `json:"severity,omitempty"` // empty: warning
	Message       string            `json:"message,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Channels      []string          `json:"channels,omitempty"`
	RepeatEvery   store.Duration    `json:"repeatEvery,omitempty"`
	EscalateAfter store.Duration    `json:"escalateAfter,omitempty"`
	EscalateTo    []string          `json:"escalateTo,omitempty"`
	Schedule      *store.Schedule   `json:"schedule,omitempty"`
	Owner         string            `json:"owner,omitempty"`
}

// AlertRuleChange replaces what is not nil, each as a whole.
type AlertRuleChange struct {
	Name          *string           `json:"name,omitempty"`
	Enabled       *bool             `json:"enabled,omitempty"`
	Selection     *store.Selection  `json:"selection,omitempty"`
	Condition     *store.Condition  `json:"condition,omitempty"`
	For           *store.Duration   `json:"for,omitempty"`
	KeepFiring    *store.Duration   `json:"keepFiringFor,omitempty"`
	JoinWithin    *store.Duration   `json:"joinWithin,omitempty"`
	Severity      *store.Severity   `json:"severity,omitempty"`
	Message       *string           `json:"message,omitempty"`
	Labels        map[string]string `json:"labels,omitzero"`
	Channels      []string          `json:"channels,omitzero"`
	RepeatEvery   *store.Duration   `json:"repeatEvery,omitempty"`
	EscalateAfter *store.Duration   `json:"escalateAfter,omitempty"`
	EscalateTo    []string          `json:"escalateTo,omitzero"`
	Schedule      *store.Schedule   `json:"schedule,omitempty"`
	AlwaysActive  bool              `json:"alwaysActive,omitempty"` // takes the schedule away
	Owner         *string           `json:"owner,omitempty"`
	Revision      uint64            `json:"revision,omitempty"` // that the change was made on; 0: whatever it is
}

// AlertRuleEdit is one entry of the audit trail about a rule.
type AlertRuleEdit struct {
	Seq     uint64     `json:"seq"`
	At      store.Time `json:"at"`
	Actor   string     `json:"actor"`
	Action  string     `json:"action"` // with _failed behind it: what became of the one before
	Before  *AlertRule `json:"before,omitempty"`
	After   *AlertRule `json:"after,omitempty"`
	Problem string     `json:"problem,omitempty"`
}

// AlertRuleQuery chooses rules.
type AlertRuleQuery struct {
	OrgID string
	Q     string // is in the id, the name or the owner
	Page
}

// CreateAlertRule makes one.
func (c *Client) CreateAlertRule(ctx context.Context, r NewAlertRule) (AlertRule, error) {
	var out AlertRule
	return out, c.call(ctx, http.MethodPost, "/alert-rules", nil, r, &out)
}

// AlertRules lists in order of id.
func (c *Client) AlertRules(ctx context.Context, q AlertRuleQuery) (List[AlertRule], error) {
	v := q.values()
	set(v, "orgId", q.OrgID)
	set(v, "q", q.Q)
	var out List[AlertRule]
	return out, c.call(ctx, http.MethodGet, "/alert-rules", v, nil, &out)
}

// AlertRule answers one.
func (c *Client) AlertRule(ctx context.Context, id string) (AlertRule, error) {
	var out AlertRule
	return out, c.call(ctx, http.MethodGet, "/alert-rules"+seg(id), nil, nil, &out)
}

// UpdateAlertRule changes one.
func (c *Client) UpdateAlertRule(ctx context.Context, id string, ch AlertRuleChange) (AlertRule, error) {
	var out AlertRule
	return out, c.call(ctx, http.MethodPatch, "/alert-rules"+seg(id), nil, ch, &out)
}

// DeleteAlertRule deletes one.
func (c *Client) DeleteAlertRule(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/alert-rules"+seg(id), nil, nil, nil)
}

// AlertRuleHistory lists the edits of one, in order.
func (c *Client) AlertRuleHistory(ctx context.Context, id string, p Page) (List[AlertRuleEdit], error) {
	var out List[AlertRuleEdit]
	return out, c.call(ctx, http.MethodGet, "/alert-rules"+seg(id)+"/history", p.values(), nil, &out)
}
