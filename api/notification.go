package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// Resender sends a notification again.
type Resender interface {
	// Resend queues a new notification that says the same to the same channel, and
	// answers it.
	Resend(ctx context.Context, id string) (store.Notification, error)
}

// Notification is what one channel is told of one alarm, and what became of it.
type Notification struct {
	ID          string                  `json:"id"`
	OrgID       string                  `json:"orgId"`
	ChannelID   string                  `json:"channelId"`
	Cause       store.NotificationCause `json:"cause" enum:"firing,resolved,repeat,escalation,acknowledged,test,resend"`
	State       store.NotificationState `json:"state" enum:"queued,delivered,dead,obsolete" doc:"dead: it was given up, lastError says why; obsolete: the channel went before it"`
	EventID     string                  `json:"eventId"`
	Event       store.AlertEvent        `json:"event" doc:"the alarm as it was then"`
	CreatedAt   store.Time              `json:"createdAt"`
	NotBefore   store.Time              `json:"notBefore" doc:"when it is tried next"`
	ExpiresAt   store.Time              `json:"expiresAt" doc:"when it is given up"`
	DeliveryID  string                  `json:"deliveryId,omitempty" doc:"of the message that it goes with; the receiver gets it as idempotency key"`
	Attempts    int                     `json:"attempts"`
	LastError   string                  `json:"lastError,omitempty" doc:"without addresses"`
	DeliveredAt *store.Time             `json:"deliveredAt,omitempty"`
}

func newNotification(n store.Notification) Notification {
	return Notification{
		ID: n.ID, OrgID: n.OrgID, ChannelID: n.ChannelID, Cause: n.Cause, State: n.State, EventID: n.Event.ID, Event: sayable(n.Event),
		CreatedAt: n.CreatedAt, NotBefore: n.NotBefore, ExpiresAt: n.ExpiresAt, DeliveryID: n.DeliveryID, Attempts: n.Attempts,
		LastError: withoutAddresses(n.LastError), DeliveredAt: n.DeliveredAt,
	}
}

// What a server that refuses may repeat of whom it refuses: mail addresses, URLs
// with what may be secret in them, and telephone numbers.
var (
	urlText     = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*)://[^\s"'<>]*`)
	addressText = regexp.MustCompile(`[^\s"'<>(),;:@]+@[^\s"'<>(),;:@]+`)
	numberText  = regexp.MustCompile(`\+?[0-9][0-9 ()/-]{5,}[0-9]`)
)

func withoutAddresses(s string) string {
	s = urlText.ReplaceAllString(s, "$1://…")
	s = addressText.ReplaceAllString(s, "…@…")
	return numberText.ReplaceAllString(s, "…")
}

type listNotificationsInput struct {
	PageInput
	OrgID     string   `query:"orgId" as:"id" unknown:"empty"`
	ChannelID string   `query:"channelId" as:"id" unknown:"empty"`
	EventID   string   `query:"eventId" maxLength:"1000" unknown:"empty" doc:"of the alarm"`
	State     []string `query:"state,explode" enum:"queued,delivered,dead,obsolete" maxItems:"4" doc:"repeat it for several; absent: all"`
}

func (s *Server) routeNotifications() {
	tags := []string{"alarms"}
	const path = "/api/v1/notifications"
	route(s, reads, huma.Operation{
		OperationID: "list-notifications", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List what channels are told, newest first", Description: "Where a channel leads to, it does not say.",
	}, s.listNotifications)
	route(s, reads, huma.Operation{
		OperationID: "get-notification", Method: http.MethodGet, Path: path + "/{id}", Tags: tags,
		Summary: "Get what a channel is told",
	}, func(ctx context.Context, in *alarmInput) (*answer[Notification], error) {
		n, err := s.seenNotification(ctx, in.ID)
		return &answer[Notification]{newNotification(n)}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "resend-notification", Method: http.MethodPost, Path: path + "/{id}/resend", Tags: tags,
		Summary: "Tell a channel again", Description: "Answers the notification that is queued for it.",
	}, s.resendNotification)
}

func (s *Server) listNotifications(ctx context.Context, in *listNotificationsInput) (*answer[List[Notification]], error) {
	alarms, err := s.alarms()
	if err != nil {
		return nil, err
	}
	f := store.NotificationFilter{OrgID: in.OrgID, ChannelID: in.ChannelID, EventID: in.EventID, After: in.Cursor, Limit: in.Limit + 1}
	for _, state := range in.State {
		f.States = append(f.States, store.NotificationState(state))
	}
	f, any := s.admin.seen(ctx).notifications(f)
	var list []store.Notification
	if any {
		if list, err = alarms.ListNotifications(ctx, f); err != nil {
			return nil, fmt.Errorf("list notifications: %w", err)
		}
	}
	l := page(list, in.Limit, func(n store.Notification) string { return n.ID }, newNotification)
	return &answer[List[Notification]]{l}, nil
}

// seenNotification answers one that the actor sees.
func (s *Server) seenNotification(ctx context.Context, id string) (store.Notification, error) {
	alarms, err := s.alarms()
	if err != nil {
		return store.Notification{}, err
	}
	n, err := alarms.Notification(ctx, id)
	if err == nil && !s.admin.seen(ctx).notification(n) {
		return store.Notification{}, store.NotFound("notification", id)
	}
	return n, err
}

func (s *Server) resendNotification(ctx context.Context, in *alarmInput) (*answer[Notification], error) {
	n, err := s.seenNotification(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if s.o.Resender == nil {
		return nil, store.Unavailable("notifications", "this server sends none")
	}
	what := map[string]string{"channelId": n.ChannelID, "eventId": n.Event.ID}
	err = s.admin.do(ctx, change{"notification.resend", "notification", in.ID, n.OrgID, nil, what}, func() (err error) {
		n, err = s.o.Resender.Resend(ctx, in.ID)
		return err
	})
	return &answer[Notification]{newNotification(n)}, err
}
