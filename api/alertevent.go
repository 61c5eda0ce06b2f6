package api

import (
	"context"
	"fmt"
	"math"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// Alarms is what the box remembers of alarms.
type Alarms interface {
	AlertEvent(ctx context.Context, id string) (store.AlertEvent, error)
	ListAlertEvents(ctx context.Context, f store.AlertEventFilter) ([]store.AlertEvent, error)
	Notification(ctx context.Context, id string) (store.Notification, error)
	ListNotifications(ctx context.Context, f store.NotificationFilter) ([]store.Notification, error)
	store.Silences
}

// Episodes changes episodes. Whoever runs the rules does it, so that what people
// say and what readings do take turns.
type Episodes interface {
	// Acknowledge takes an episode on in the name of by, in place of whoever did
	// before. Nobody is told again, and nothing escalates. An episode that is over
	// can be acknowledged too.
	Acknowledge(ctx context.Context, id, by, comment string) (store.AlertEvent, error)
	Unacknowledge(ctx context.Context, id, by string) (store.AlertEvent, error)
	Comment(ctx context.Context, id, by, text string) (store.AlertEvent, error)
	// SilencesChanged is called once a silence was kept or deleted.
	SilencesChanged(ctx context.Context) error
}

// AlertAcknowledgement says that somebody takes an alarm on.
type AlertAcknowledgement struct {
	Comment string `json:"comment,omitempty" maxLength:"2000" example:"on my way"`
}

// AlertComment is what somebody says of an alarm.
type AlertComment struct {
	Text string `json:"text" minLength:"1" maxLength:"2000" example:"the pump was stuck"`
}

// maxComments of an episode.
const maxComments = 200

type listAlertEventsInput struct {
	PageInput
	TimeRange
	State        []string       `query:"state,explode" enum:"firing,recovering,resolved" maxItems:"3" doc:"repeat it for several; absent: all"`
	OrgID        string         `query:"orgId" as:"id" unknown:"empty"`
	DeviceID     string         `query:"deviceId" as:"id" unknown:"empty"`
	RuleID       string         `query:"ruleId" as:"id" unknown:"empty"`
	Severity     string         `query:"severity" enum:"info,warning,critical"`
	Acknowledged optional[bool] `query:"acknowledged" doc:"whether somebody has taken it on"`
}

// alarmInput names an episode, a silence or a notification.
type alarmInput struct {
	ID string `path:"id" maxLength:"1000"`
}

func (s *Server) routeAlertEvents() {
	tags := []string{"alarms"}
	const path = "/api/v1/alert-events"
	route(s, reads, huma.Operation{
		OperationID: "list-alert-events", Method: http.MethodGet, Path: path, Tags: tags,
		Summary:     "List alarms, those that began last first",
		Description: "from and to are of startedAt.",
	}, s.listAlertEvents)
	route(s, reads, huma.Operation{
		OperationID: "get-alert-event", Method: http.MethodGet, Path: path + "/{id}", Tags: tags,
		Summary: "Get an alarm",
	}, func(ctx context.Context, in *alarmInput) (*answer[store.AlertEvent], error) {
		e, err := s.seenAlertEvent(ctx, in.ID)
		return &answer[store.AlertEvent]{e}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "acknowledge-alert-event", Method: http.MethodPost, Path: path + "/{id}/acknowledge", Tags: tags,
		Summary:     "Take an alarm on",
		Description: "Nobody is reminded of it any more, and it does not escalate. It goes on until the readings end it.",
	}, func(ctx context.Context, in *struct {
		ID   string `path:"id" maxLength:"1000"`
		Body *AlertAcknowledgement
	},
	) (*answer[store.AlertEvent], error) {
		said := AlertAcknowledgement{}
		if in.Body != nil {
			said = *in.Body
		}
		return s.changeAlertEvent(ctx, in.ID, "acknowledge", said, func(e Episodes, by string) (store.AlertEvent, error) {
			return e.Acknowledge(ctx, in.ID, by, said.Comment)
		})
	})
	route(s, writes, huma.Operation{
		OperationID: "unacknowledge-alert-event", Method: http.MethodPost, Path: path + "/{id}/unacknowledge", Tags: tags,
		Summary: "Give an alarm back: nobody has taken it on",
	}, func(ctx context.Context, in *alarmInput) (*answer[store.AlertEvent], error) {
		return s.changeAlertEvent(ctx, in.ID, "unacknowledge", nil, func(e Episodes, by string) (store.AlertEvent, error) {
			return e.Unacknowledge(ctx, in.ID, by)
		})
	})
	route(s, writes, huma.Operation{
		OperationID: "comment-alert-event", Method: http.MethodPost, Path: path + "/{id}/comments", Tags: tags,
		Summary: "Say something of an alarm",
	}, func(ctx context.Context, in *struct {
		ID   string `path:"id" maxLength:"1000"`
		Body AlertComment
	},
	) (*answer[store.AlertEvent], error) {
		return s.changeAlertEvent(ctx, in.ID, "comment", in.Body, func(e Episodes, by string) (store.AlertEvent, error) {
			return e.Comment(ctx, in.ID, by, in.Body.Text)
		})
	})
}

func (s *Server) listAlertEvents(ctx context.Context, in *listAlertEventsInput) (*answer[List[store.AlertEvent]], error) {
	alarms, err := s.alarms()
	if err != nil {
		return nil, err
	}
	f := store.AlertEventFilter{
		OrgID: in.OrgID, DeviceID: in.DeviceID, RuleID: in.RuleID, Severity: store.Severity(in.Severity), After: in.Cursor, Limit: in.Limit + 1,
	}
	for _, state := range in.State {
		f.States = append(f.States, store.AlertState(state))
	}
	if in.Acknowledged.Set {
		f.Acknowledged = &in.Acknowledged.Value
	}
	if f.From, f.To, err = receiptRange(in.TimeRange); err != nil {
		return nil, err
	}
	seen := s.admin.seen(ctx)
	if d := seen.known(in.DeviceID); d != nil && f.OrgID == "" {
		f.OrgID = d.OrgID // fewer are looked at
	}
	f, any := seen.alertEvents(f)
	var events []store.AlertEvent
	if any {
		if events, err = alarms.ListAlertEvents(ctx, f); err != nil {
			return nil, fmt.Errorf("list alert events: %w", err)
		}
	}
	l := page(events, in.Limit, func(e store.AlertEvent) string { return e.ID }, sayable)
	return &answer[List[store.AlertEvent]]{l}, nil
}

// alarms answers what remembers alarms.
func (s *Server) alarms() (Alarms, error) {
	if s.o.Alarms == nil {
		return nil, store.Unavailable("alarms", "this server keeps none")
	}
	return s.o.Alarms, nil
}

// seenAlertEvent answers an episode that the actor sees.
func (s *Server) seenAlertEvent(ctx context.Context, id string) (store.AlertEvent, error) {
	alarms, err := s.alarms()
	if err != nil {
		return store.AlertEvent{}, err
	}
	e, err := alarms.AlertEvent(ctx, id)
	if err == nil && !s.admin.seen(ctx).alertEvent(e) {
		err = store.NotFound("alert event", id)
	}
	if err != nil {
		return store.AlertEvent{}, err
	}
	return sayable(e), nil
}

// changeAlertEvent makes a change of an episode, and writes it to the audit
// trail. It needs no database: alarms are the box's own.
func (s *Server) changeAlertEvent(ctx context.Context, id, what string, said any, fn func(Episodes, string) (store.AlertEvent, error)) (*answer[store.AlertEvent], error) {
	e, err := s.seenAlertEvent(ctx, id)
	if err != nil {
		return nil, err
	}
	if s.o.Episodes == nil {
		return nil, store.Unavailable("alarms", "this server judges no rules, and so changes no alarms")
	}
	if what == "comment" && len(e.Comments) >= maxComments {
		return nil, store.Conflict("alert event", id, "has %d comments; that is enough", maxComments)
	}
	err = s.admin.do(ctx, change{"alertevent." + what, "alert event", id, e.OrgID, nil, said}, func() (err error) {
		e, err = fn(s.o.Episodes, ActorName(ctx))
		return err
	})
	return &answer[store.AlertEvent]{sayable(e)}, err
}

// sayable leaves out values that JSON has no word for: readings whose calibrated
// value left the range of numbers.
func sayable(e store.AlertEvent) store.AlertEvent {
	for _, v := range []**float64{&e.First, &e.Worst, &e.Last} {
		if *v != nil && (math.IsInf(**v, 0) || math.IsNaN(**v)) {
			*v = nil
		}
	}
	return e
}
