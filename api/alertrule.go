package api

import (
	"context"
	"reflect"

	"tidegate/store"
)

// AlertRule says what is an alarm, and who hears of it.
type AlertRule struct {
	ID            string            `json:"id" example:"rule-0123456789abcdef"`
	OrgID         string            `json:"orgId"`
	Name          string            `json:"name"`
	Enabled       bool              `json:"enabled"`
	Selection     AlertSelection    `json:"selection"`
	Condition     AlertCondition    `json:"condition"`
	For           store.Duration    `json:"for,omitempty" doc:"the condition has to last so long; absent: it fires at once"`
	KeepFiring    store.Duration    `json:"keepFiringFor,omitempty" doc:"and to be over for so long"`
	JoinWithin    store.Duration    `json:"joinWithin,omitempty" doc:"an episode that begins so soon after the one before is that one again"`
	Severity      store.Severity    `json:"severity" enum:"info,warning,critical"`
	Message       string            `json:"message,omitempty" doc:"template; absent: a sentence of its own for each kind"`
	Labels        map[string]string `json:"labels,omitempty"`
	Channels      []string          `json:"channels,omitempty" nullable:"false" doc:"ids; absent: those that take the severity by themselves"`
	RepeatEvery   store.Duration    `json:"repeatEvery,omitempty" doc:"while it fires and nobody acknowledged; absent: never"`
	EscalateAfter store.Duration    `json:"escalateAfter,omitempty" doc:"when nobody acknowledged for so long"`
	EscalateTo    []string          `json:"escalateTo,omitempty" nullable:"false" doc:"ids of channels"`
	Schedule      *AlertSchedule    `json:"schedule,omitempty" doc:"when it is active; absent: always"`
	Owner         string            `json:"owner,omitempty" doc:"who answers for it"`
	Revision      uint64            `json:"revision" doc:"counts the edits, from 1"`
	CreatedAt     store.Time        `json:"createdAt"`
	UpdatedAt     store.Time        `json:"updatedAt"`
	UpdatedBy     string            `json:"updatedBy" example:"user:ann@example.org"`
}

// NewAlertRule is a rule to be made.
type NewAlertRule struct {
	OrgID         string            `json:"orgId" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" example:"acme"`
	Name          string            `json:"name" minLength:"1" maxLength:"200" example:"hot"`
	Enabled       *bool             `json:"enabled,omitempty" doc:"absent: true"`
	Selection     AlertSelection    `json:"selection,omitempty" doc:"absent: all ports of the organization"`
	Condition     AlertCondition    `json:"condition"`
	For           store.Duration    `json:"for,omitempty" doc:"the condition has to last so long; absent: it fires at once"`
	KeepFiring    store.Duration    `json:"keepFiringFor,omitempty" doc:"and to be over for so long"`
	JoinWithin    store.Duration    `json:"joinWithin,omitempty" doc:"an episode that begins so soon after the one before is that one again"`
	Severity      store.Severity    `json:"severity,omitempty" enum:"info,warning,critical" doc:"absent: warning"`
	Message       string            `json:"message,omitempty" maxLength:"2000" doc:"template; absent: a sentence of its own for each kind"`
	Labels        map[string]string `json:"labels,omitempty"`
	Channels      []string          `json:"channels,omitempty" maxItems:"20" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" nullable:"false" doc:"ids; absent: those that take the severity by themselves"`
	RepeatEvery   store.Duration    `json:"repeatEvery,omitempty" doc:"while it fires and nobody acknowledged; absent: never"`
	EscalateAfter store.Duration    `json:"escalateAfter,omitempty" doc:"when nobody acknowledged for so long"`
	EscalateTo    []string          `json:"escalateTo,omitempty" maxItems:"20" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" nullable:"false" doc:"ids of channels"`
	Schedule      *AlertSchedule    `json:"schedule,omitempty" doc:"when it is active; absent: always"`
	Owner         string            `json:"owner,omitempty" maxLength:"200" doc:"who answers for it"`
}

// AlertRuleChange replaces what is given, each as a whole.
type AlertRuleChange struct {
	Name          *string           `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Enabled       *bool             `json:"enabled,omitempty"`
	Selection     *AlertSelection   `json:"selection,omitempty" doc:"empty: all ports of the organization"`
	Condition     *AlertCondition   `json:"condition,omitempty"`
	For           *store.Duration   `json:"for,omitempty" doc:"0: it fires at once"`
	KeepFiring    *store.Duration   `json:"keepFiringFor,omitempty"`
	JoinWithin    *store.Duration   `json:"joinWithin,omitempty"`
	Severity      *store.Severity   `json:"severity,omitempty" enum:"info,warning,critical"`
	Message       *string           `json:"message,omitempty" maxLength:"2000" doc:"empty: a sentence of its own for each kind"`
	Labels        map[string]string `json:"labels,omitzero"`
	Channels      []string          `json:"channels,omitzero" maxItems:"20" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" nullable:"false" doc:"empty: those that take the severity by themselves"`
	RepeatEvery   *store.Duration   `json:"repeatEvery,omitempty" doc:"0: never"`
	EscalateAfter *store.Duration   `json:"escalateAfter,omitempty" doc:"0, and escalateTo empty: never"`
	EscalateTo    []string          `json:"escalateTo,omitzero" maxItems:"20" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" nullable:"false"`
	Schedule      *AlertSchedule    `json:"schedule,omitempty"`
	AlwaysActive  bool              `json:"alwaysActive,omitempty" doc:"takes the schedule away"`
	Owner         *string           `json:"owner,omitempty" maxLength:"200"`
	Revision      uint64            `json:"revision,omitempty" doc:"that the change was made on: 409 when somebody has changed the rule since; absent: whatever it is"`
}

func newAlertRule(r store.AlertRule) AlertRule {
	return AlertRule{
		ID: r.ID, OrgID: r.OrgID, Name: r.Name, Enabled: r.Enabled, Selection: AlertSelection(r.Selection), Condition: AlertCondition(r.Condition),
		For: r.For, KeepFiring: r.KeepFiring, JoinWithin: r.JoinWithin, Severity: r.Severity, Message: r.Message, Labels: r.Labels,
		Channels: r.Channels, RepeatEvery: r.RepeatEvery, EscalateAfter: r.EscalateAfter, EscalateTo: r.EscalateTo,
		Schedule: (*AlertSchedule)(r.Schedule), Owner: r.Owner, Revision: r.Revision,
		CreatedAt: at(r.CreatedAt), UpdatedAt: at(r.UpdatedAt), UpdatedBy: r.UpdatedBy,
	}
}

// CreateAlertRule makes a rule.
func (a *Admin) CreateAlertRule(ctx context.Context, n NewAlertRule) (AlertRule, error) {
	r := n.rule()
	r.ID = store.NewRuleID()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.createAlertRule(ctx, r)
}

// rule answers the rule that n asks for; it has no id yet.
func (n NewAlertRule) rule() store.AlertRule {
	r := store.AlertRule{
		OrgID: n.OrgID, Name: n.Name, Enabled: n.Enabled == nil || *n.Enabled,
		Selection: n.Selection.inOrder(), Condition: store.Condition(n.Condition), For: n.For, KeepFiring: n.KeepFiring, JoinWithin: n.JoinWithin,
		Severity: n.Severity, Message: n.Message, Labels: n.Labels, Channels: n.Channels, RepeatEvery: n.RepeatEvery,
		EscalateAfter: n.EscalateAfter, EscalateTo: n.EscalateTo, Schedule: (*store.Schedule)(n.Schedule), Owner: n.Owner,
	}
	if r.Severity == "" {
		r.Severity = store.SeverityWarning
	}
	return r
}

// createAlertRule makes a rule that is not complete yet; the caller holds the
// lock.
func (a *Admin) createAlertRule(ctx context.Context, r store.AlertRule) (AlertRule, error) {
	actor, _ := actorFrom(ctx)
	r.Revision, r.CreatedAt, r.UpdatedBy = 1, a.now(), actor.Name
	r.UpdatedAt = r.CreatedAt
	if err := a.checkAlertRule(r); err != nil {
		return AlertRule{}, err
	}
	if _, err := a.seen(ctx).organization(ctx, r.OrgID); err != nil {
		return AlertRule{}, err
	}
	out := newAlertRule(r)
	err := a.alter(ctx, change{"alertrule.create", "alertrule", r.ID, r.OrgID, nil, out}, func() error {
		return a.o.Catalog.CreateAlertRule(ctx, r)
	})
	if err != nil {
		return AlertRule{}, err
	}
	return out, a.refreshRule(ctx, r.ID)
}

func (a *Admin) checkAlertRule(r store.AlertRule) error {
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Message == "" {
		return nil
	}
	return a.o.CheckMessage(r.Message)
}

// UpdateAlertRule changes a rule. A change that changes nothing is none.
func (a *Admin) UpdateAlertRule(ctx context.Context, id string, ch AlertRuleChange) (AlertRule, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was, err := a.seen(ctx).alertRule(ctx, id)
	if err != nil {
		return AlertRule{}, err
	}
	if ch.Revision != 0 && ch.Revision != was.Revision {
		return AlertRule{}, store.Conflict("alert rule", id, "is at revision %d, not %d: %s has changed it; look at it again, then change that one", was.Revision, ch.Revision, was.UpdatedBy)
	}
	r := was
	if err := ch.apply(&r); err != nil {
		return AlertRule{}, err
	}
	if reflect.DeepEqual(newAlertRule(r), newAlertRule(was)) {
		return newAlertRule(was), nil
	}
	actor, _ := actorFrom(ctx)
	r.Revision, r.UpdatedAt, r.UpdatedBy = was.Revision+1, a.now(), actor.Name
	if err := a.checkAlertRule(r); err != nil {
		return AlertRule{}, err
	}
	out := newAlertRule(r)
	err = a.alter(ctx, change{"alertrule.update", "alertrule", id, r.OrgID, newAlertRule(was), out}, func() error {
		return a.o.Catalog.UpdateAlertRule(ctx, r)
	})
	if err != nil {
		return AlertRule{}, err
	}
	return out, a.refreshRule(ctx, id)
}

func (ch AlertRuleChange) apply(r *store.AlertRule) error {
	if ch.Schedule != nil && ch.AlwaysActive {
		return store.Invalid("alert rule", "schedule", "does not go with alwaysActive; give one of them")
	}
	set(&r.Name, ch.Name)
	set(&r.Enabled, ch.Enabled)
	if ch.Selection != nil {
		r.Selection = ch.Selection.inOrder()
	}
	if ch.Condition != nil {
		r.Condition = store.Condition(*ch.Condition)
	}
	set(&r.For, ch.For)
	set(&r.KeepFiring, ch.KeepFiring)
	set(&r.JoinWithin, ch.JoinWithin)
	set(&r.Severity, ch.Severity)
	set(&r.Message, ch.Message)
	set(&r.RepeatEvery, ch.RepeatEvery)
	set(&r.EscalateAfter, ch.EscalateAfter)
	set(&r.Owner, ch.Owner)
	if ch.Labels != nil {
		r.Labels = ch.Labels
	}
	setList(&r.Channels, ch.Channels)
	setList(&r.EscalateTo, ch.EscalateTo)
	switch {
	case ch.AlwaysActive:
		r.Schedule = nil
	case ch.Schedule != nil:
		r.Schedule = (*store.Schedule)(ch.Schedule)
	}
	// What is empty is kept as absent.
	if len(r.Labels) == 0 {
		r.Labels = nil
	}
	return nil
}

// set takes over what is given.
func set[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

// setList takes over a list that is given; an empty one is kept as absent.
func setList[T any](to *[]T, given []T) {
	if given != nil {
		*to = given
	}
	if len(*to) == 0 {
		*to = nil
	}
}

// DeleteAlertRule deletes a rule; its open episodes end.
func (a *Admin) DeleteAlertRule(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, err := a.seen(ctx).alertRule(ctx, id)
	if err != nil {
		return err
	}
	err = a.alter(ctx, change{"alertrule.delete", "alertrule", id, r.OrgID, newAlertRule(r), nil}, func() error {
		return a.o.Catalog.DeleteAlertRule(ctx, id)
	})
	if err != nil {
		return err
	}
	return a.refreshRule(ctx, id)
}
