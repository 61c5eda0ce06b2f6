package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// Silence keeps alarms quiet: they are kept, and nobody is told.
type Silence struct {
	ID        string            `json:"id"`
	OrgID     string            `json:"orgId"`
	Comment   string            `json:"comment" doc:"why"`
	DeviceIDs []string          `json:"deviceIds,omitempty" nullable:"false" doc:"absent: all devices"`
	RuleIDs   []string          `json:"ruleIds,omitempty" nullable:"false" doc:"absent: all rules"`
	Labels    map[string]string `json:"labels,omitempty" doc:"of rules, which carry all of them"`
	StartsAt  store.Time        `json:"startsAt"`
	EndsAt    *store.Time       `json:"endsAt,omitempty" doc:"absent: until it is deleted"`
	Schedule  *AlertSchedule    `json:"schedule,omitempty" doc:"at these hours alone"`
	CreatedBy string            `json:"createdBy" doc:"the actor, as the audit trail names it"`
	CreatedAt store.Time        `json:"createdAt"`
}

// NewSilence is a silence to be made. Without devices, rules and labels it keeps
// the whole organization quiet.
type NewSilence struct {
	OrgID     string            `json:"orgId" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" example:"acme"`
	Comment   string            `json:"comment" minLength:"1" maxLength:"2000" doc:"why" example:"the pump is serviced"`
	DeviceIDs []string          `json:"deviceIds,omitempty" maxItems:"1000" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" nullable:"false" doc:"absent: all devices"`
	RuleIDs   []string          `json:"ruleIds,omitempty" maxItems:"1000" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" nullable:"false" doc:"absent: all rules"`
	Labels    map[string]string `json:"labels,omitempty" doc:"of rules, which carry all of them"`
	StartsAt  *store.Time       `json:"startsAt,omitempty" doc:"absent: now"`
	EndsAt    *store.Time       `json:"endsAt,omitempty" doc:"needed without schedule; absent: until it is deleted"`
	Schedule  *AlertSchedule    `json:"schedule,omitempty" doc:"at these hours alone"`
}

func newSilence(s store.Silence) Silence {
	return Silence{
		ID: s.ID, OrgID: s.OrgID, Comment: s.Comment, DeviceIDs: s.DeviceIDs, RuleIDs: s.RuleIDs, Labels: s.Labels,
		StartsAt: s.StartsAt, EndsAt: s.EndsAt, Schedule: (*AlertSchedule)(s.Schedule), CreatedBy: s.CreatedBy, CreatedAt: s.CreatedAt,
	}
}

type listSilencesInput struct {
	PageInput
	OrgID string `query:"orgId" as:"id" unknown:"empty"`
}

func (s *Server) routeSilences() {
	tags := []string{"alarms"}
	const path = "/api/v1/silences"
	route(s, reads, huma.Operation{
		OperationID: "list-silences", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List silences in order of id", Description: "Those that are over too, until they are deleted.",
	}, s.listSilences)
	route(s, writes, huma.Operation{
		OperationID: "create-silence", Method: http.MethodPost, Path: path, Tags: tags,
		Summary:     "Keep alarms quiet for a time, or at recurring hours",
		Description: "Alarms are kept as ever. Of those that go on when it is over people are told then.", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct{ Body NewSilence }) (*answer[Silence], error) {
		n, err := s.createSilence(ctx, in.Body)
		return &answer[Silence]{n}, err
	})
	route(s, reads, huma.Operation{
		OperationID: "get-silence", Method: http.MethodGet, Path: path + "/{id}", Tags: tags,
		Summary: "Get a silence",
	}, func(ctx context.Context, in *alarmInput) (*answer[Silence], error) {
		n, err := s.seenSilence(ctx, in.ID)
		return &answer[Silence]{newSilence(n)}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "delete-silence", Method: http.MethodDelete, Path: path + "/{id}", Tags: tags,
		Summary: "End a silence", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *alarmInput) (*none, error) {
		return &none{}, s.deleteSilence(ctx, in.ID)
	})
}

func (s *Server) listSilences(ctx context.Context, in *listSilencesInput) (*answer[List[Silence]], error) {
	alarms, err := s.alarms()
	if err != nil {
		return nil, err
	}
	var list []store.Silence
	if org, sees := s.admin.seen(ctx).silencesOf(in.OrgID); sees {
		if list, err = alarms.ListSilences(ctx, org, store.Page{After: in.Cursor, Limit: in.Limit + 1}); err != nil {
			return nil, fmt.Errorf("list silences: %w", err)
		}
	}
	l := page(list, in.Limit, func(n store.Silence) string { return n.ID }, newSilence)
	return &answer[List[Silence]]{l}, nil
}

// seenSilence answers one that the actor sees.
func (s *Server) seenSilence(ctx context.Context, id string) (store.Silence, error) {
	alarms, err := s.alarms()
	if err != nil {
		return store.Silence{}, err
	}
	n, err := alarms.Silence(ctx, id)
	if err == nil && !s.admin.seen(ctx).silence(n) {
		return store.Silence{}, store.NotFound("silence", id)
	}
	return n, err
}

func (s *Server) createSilence(ctx context.Context, n NewSilence) (Silence, error) {
	alarms, err := s.alarms()
	if err != nil {
		return Silence{}, err
	}
	seen := s.admin.seen(ctx)
	if _, err := seen.organization(ctx, n.OrgID); err != nil {
		return Silence{}, err
	}
	if err := seen.devicesOf(ctx, n.OrgID, n.DeviceIDs); err != nil {
		return Silence{}, err
	}
	now := at(s.o.Now())
	made := store.Silence{
		ID: store.NewSilenceID(), OrgID: n.OrgID, Comment: n.Comment, DeviceIDs: n.DeviceIDs, RuleIDs: n.RuleIDs, Labels: n.Labels,
		StartsAt: now, EndsAt: n.EndsAt, Schedule: (*store.Schedule)(n.Schedule), CreatedBy: ActorName(ctx), CreatedAt: now,
	}
	if n.StartsAt != nil {
		made.StartsAt = *n.StartsAt
	}
	if made.EndsAt != nil && *made.EndsAt <= now {
		return Silence{}, invalidParam("body.endsAt", "is over already")
	}
	if err := made.Validate(); err != nil {
		return Silence{}, err
	}
	out := newSilence(made)
	err = s.changeSilence(ctx, change{"silence.create", "silence", made.ID, made.OrgID, nil, out}, func() error {
		return alarms.PutSilence(ctx, made)
	})
	return out, err
}

func (s *Server) deleteSilence(ctx context.Context, id string) error {
	n, err := s.seenSilence(ctx, id)
	if err != nil {
		return err
	}
	return s.changeSilence(ctx, change{"silence.delete", "silence", id, n.OrgID, newSilence(n), nil}, func() error {
		return s.o.Alarms.DeleteSilence(ctx, id)
	})
}

// changeSilence writes a change to the audit trail, makes it, and makes it known
// to whoever tells people. It needs no database: silences are the box's own.
func (s *Server) changeSilence(ctx context.Context, c change, fn func() error) error {
	if err := s.admin.do(ctx, c, fn); err != nil || s.o.Episodes == nil {
		return err
	}
	if err := s.o.Episodes.SilencesChanged(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("the change is stored, but making it known to the rules went wrong: %w", err)
	}
	return nil
}

// forgetSilences deletes those of an organization that is gone: another one may
// get its id.
func (s *Server) forgetSilences(ctx context.Context, orgID string) error {
	if s.o.Alarms == nil {
		return nil
	}
	list, err := s.o.Alarms.ListSilences(ctx, orgID, store.Page{})
	if err != nil {
		return fmt.Errorf("the organization is deleted, but not its silences: %w", err)
	}
	for _, n := range list {
		c := change{"silence.delete", "silence", n.ID, orgID, newSilence(n), nil}
		if err := s.changeSilence(ctx, c, func() error { return s.o.Alarms.DeleteSilence(ctx, n.ID) }); err != nil {
			return fmt.Errorf("the organization is deleted, but not its silence %s: %w", n.ID, err)
		}
	}
	return nil
}
