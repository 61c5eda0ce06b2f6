package client

import (
	"context"
	"net/http"
	"net/url"

	"tidegate/store"
)

// Notification is what one channel is told of one alarm, and what became of it.
type Notification struct {
	ID          string                  `json:"id"`
	OrgID       string                  `json:"orgId"`
	ChannelID   string                  `json:"channelId"`
	Cause       store.NotificationCause `json:"cause"`
	State       store.NotificationState `json:"state"`
	EventID     string                  `json:"eventId"`
	Event       store.AlertEvent        `json:"event"` // as it was then
	CreatedAt   store.Time              `json:"createdAt"`
	NotBefore   store.Time              `json:"notBefore"`
	ExpiresAt   store.Time              `json:"expiresAt"`
	DeliveryID  string                  `json:"deliveryId,omitempty"`
	Attempts    int                     `json:"attempts"`
	LastError   string                  `json:"lastError,omitempty"` // without addresses
	DeliveredAt *store.Time             `json:"deliveredAt,omitempty"`
}

// NotificationQuery chooses notifications; zero fields choose all.
type NotificationQuery struct {
	OrgID     string
	ChannelID string
	EventID   string
	States    []store.NotificationState
	Page
}

func (q NotificationQuery) values() url.Values {
	v := q.Page.values()
	set(v, "orgId", q.OrgID)
	set(v, "channelId", q.ChannelID)
	set(v, "eventId", q.EventID)
	for _, s := range q.States {
		v.Add("state", string(s))
	}
	return v
}

// Notifications lists newest first.
func (c *Client) Notifications(ctx context.Context, q NotificationQuery) (List[Notification], error) {
	var out List[Notification]
	return out, c.call(ctx, http.MethodGet, "/notifications", q.values(), nil, &out)
}

// Notification answers one.
func (c *Client) Notification(ctx context.Context, id string) (Notification, error) {
	var out Notification
	return out, c.call(ctx, http.MethodGet, "/notifications"+seg(id), nil, nil, &out)
}

// ResendNotification tells a channel again, and answers what is queued for it.
func (c *Client) ResendNotification(ctx context.Context, id string) (Notification, error) {
	var out Notification
	return out, c.call(ctx, http.MethodPost, "/notifications"+seg(id)+"/resend", nil, nil, &out)
}
