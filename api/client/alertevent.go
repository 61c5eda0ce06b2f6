package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tidegate/store"
)

// AlertEventQuery chooses alarms; zero fields choose all.
type AlertEventQuery struct {
	States       []store.AlertState
	OrgID        string
	DeviceID     string
	RuleID       string
	Severity     store.Severity
	Acknowledged *bool
	From, To     time.Time // of the beginning
	Page
}

func (q AlertEventQuery) values() url.Values {
	v := q.Page.values()
	for _, s := range q.States {
		v.Add("state", string(s))
	}
	set(v, "orgId", q.OrgID)
	set(v, "deviceId", q.DeviceID)
	set(v, "ruleId", q.RuleID)
	set(v, "severity", string(q.Severity))
	if q.Acknowledged != nil {
		v.Set("acknowledged", strconv.FormatBool(*q.Acknowledged))
	}
	setTime(v, "from", q.From)
	setTime(v, "to", q.To)
	return v
}

// AlertAcknowledgement says that somebody takes an alarm on.
type AlertAcknowledgement struct {
	Comment string `json:"comment,omitempty"`
}

// AlertComment is what somebody says of an alarm.
type AlertComment struct {
	Text string `json:"text"`
}

// AlertEvents lists those that began last first.
func (c *Client) AlertEvents(ctx context.Context, q AlertEventQuery) (List[store.AlertEvent], error) {
	var out List[store.AlertEvent]
	return out, c.call(ctx, http.MethodGet, "/alert-events", q.values(), nil, &out)
}

// AlertEvent answers one.
func (c *Client) AlertEvent(ctx context.Context, id string) (store.AlertEvent, error) {
	var out store.AlertEvent
	return out, c.call(ctx, http.MethodGet, "/alert-events"+seg(id), nil, nil, &out)
}

// AcknowledgeAlertEvent takes one on.
func (c *Client) AcknowledgeAlertEvent(ctx context.Context, id string, a AlertAcknowledgement) (store.AlertEvent, error) {
	var out store.AlertEvent
	return out, c.call(ctx, http.MethodPost, "/alert-events"+seg(id)+"/acknowledge", nil, a, &out)
}

// UnacknowledgeAlertEvent gives one back.
func (c *Client) UnacknowledgeAlertEvent(ctx context.Context, id string) (store.AlertEvent, error) {
	var out store.AlertEvent
	return out, c.call(ctx, http.MethodPost, "/alert-events"+seg(id)+"/unacknowledge", nil, nil, &out)
}

// CommentAlertEvent says something of one.
func (c *Client) CommentAlertEvent(ctx context.Context, id string, n AlertComment) (store.AlertEvent, error) {
	var out store.AlertEvent
	return out, c.call(ctx, http.MethodPost, "/alert-events"+seg(id)+"/comments", nil, n, &out)
}
