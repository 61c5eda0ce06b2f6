package alert

import (
	"slices"

	"tidegate/store"
)

// happened takes what a watch has done into its episode, and says it to whom it
// concerns.
func (e *Engine) happened(w *watched, c Change) {
	if !c.Any() {
		return
	}
	e.pending.state(w)
	for i := range c.Steps {
		x := &c.Steps[i].Episode
		switch c.Steps[i].Kind {
		case StepFired:
			e.fired(w, x)
		case StepRejoined:
			e.rejoined(w, x)
		case StepRecovering, StepBack:
			e.update(w, x)
		case StepResolved:
			e.resolved(w, x)
		case StepBegan, StepDropped: // nobody needs to know
		}
	}
}

// fired begins an episode.
func (e *Engine) fired(w *watched, x *Episode) {
	if w.event != nil {
		e.sayEnd(w) // of one that could have been joined
	}
	r := w.rule
	w.event = &store.AlertEvent{
		ID: store.AlertEventID(r.ID, w.key.series, x.StartedAt), RuleID: r.ID, RuleName: r.Name, Revision: r.Revision,
		OrgID: r.OrgID, DeviceID: w.port.device.ID, UID: w.key.series.UID, PortNumber: w.key.series.Port, PortName: w.port.name, Unit: w.port.unit,
		Kind: r.Condition.Kind, Severity: r.Severity, Labels: r.Labels,
	}
	w.told = telling{of: x.StartedAt}
	e.events[w.event.ID] = w
	e.metrics.fired++
	e.update(w, x)
	if w.event.Silenced = e.silencedBy(w.event); w.event.Silenced == "" {
		e.tell(w, store.CauseFiring)
	}
	e.pending.event(w)
}

// rejoined goes on with the episode that had ended. Its end was not said yet.
func (e *Engine) rejoined(w *watched, x *Episode) {
	if w.event == nil { // it is not known here any more: then it is one of its own
		e.fired(w, x)
		return
	}
	w.told.endDue = 0
	e.update(w, x)
}

// resolved ends the episode. Where it may be joined, its end is said when that
// can be no more.
func (e *Engine) resolved(w *watched, x *Episode) {
	if w.event == nil {
		return
	}
	e.update(w, x)
	w.told.endDue = x.ResolvedAt + w.rule.JoinWithin.Ms()
	if x.End != store.EndCleared || w.told.endDue <= max(e.now, x.ResolvedAt) {
		e.sayEnd(w)
	}
}

// sayEnd tells those who were told that it fired, and forgets the episode.
func (e *Engine) sayEnd(w *watched) {
	if w.told.count > 0 {
		e.tell(w, store.CauseResolved)
	}
	w.told = telling{}
	e.pending.state(w)
	delete(e.events, w.event.ID)
	w.event = nil
}

// update brings the episode up to date with its watch, and has it kept.
func (e *Engine) update(w *watched, x *Episode) {
	e.current(w, x, w.event)
	e.pending.event(w)
}

// now answers what the watch knows by now.
func (w *watched) now() *Episode {
	x := w.watch.Episode()
	return &x
}

// current fills in what the watch knows.
func (e *Engine) current(w *watched, x *Episode, ev *store.AlertEvent) {
	x.Put(ev)
	ev.Position = e.position
	ev.Message = w.text.Text(Facts{Event: ev, Device: *w.port.device, Plan: w.plan, Now: e.now})
}

// attend looks after episodes as time goes on: silences that begin and end,
// repeats, escalations, ends that can be joined no more.
func (e *Engine) attend() {
	for _, w := range e.events {
		ev := w.event
		if !ev.Open() {
			if w.told.endDue != 0 && w.told.endDue <= e.now {
				e.sayEnd(w)
			}
			continue
		}
		if by := e.silencedBy(ev); by != ev.Silenced {
			ev.Silenced = by
			e.pending.event(w)
			if by == "" && w.told.count == 0 && ev.State == store.AlertFiring {
				e.tell(w, store.CauseFiring)
			}
		}
		if ev.Silenced != "" || ev.Acknowledged != nil || ev.State != store.AlertFiring || w.told.count == 0 {
			continue
		}
		r := w.rule
		if r.EscalateAfter > 0 && !ev.Escalated && e.now >= int64(ev.FiredAt)+r.EscalateAfter.Ms() {
			ev.Escalated = true
			e.pending.event(w)
			e.tell(w, store.CauseEscalation)
		}
		if r.RepeatEvery > 0 && e.now >= w.told.at+r.RepeatEvery.Ms() {
			e.pending.event(w)
			e.tell(w, store.CauseRepeat)
		}
	}
}

// tell routes a notification to whom it concerns.
func (e *Engine) tell(w *watched, cause store.NotificationCause) {
	nth := w.told.count
	switch cause {
	case store.CauseFiring, store.CauseRepeat:
		w.told.count, w.told.at = nth+1, e.now
	case store.CauseAcknowledged:
		nth = len(w.event.Comments)
	}
	for _, c := range e.route(w, cause) {
		keep := c.ExpireAfter
		if keep == 0 {
			keep = store.DefaultExpireAfter
		}
		e.pending.notes = append(e.pending.notes, store.Notification{
			ID: store.NotificationID(w.event.ID, c.ID, cause, nth), OrgID: w.event.OrgID, ChannelID: c.ID, Cause: cause, Event: *w.event,
			State: store.NotificationQueued, CreatedAt: store.Time(e.now), NotBefore: store.Time(e.now), ExpiresAt: store.Time(e.now + keep.Ms()),
		})
		e.metrics.notified++
	}
	e.pending.state(w)
}

// route answers whom it concerns: the rule's channels, or those of its
// organization that take the severity by themselves. Whom it escalated to hears
// the rest too.
func (e *Engine) route(w *watched, cause store.NotificationCause) []store.Channel {
	r := w.rule
	var out []store.Channel
	add := func(c store.Channel) {
		if c.Enabled && c.OrgID == r.OrgID && !slices.ContainsFunc(out, func(x store.Channel) bool { return x.ID == c.ID }) {
			out = append(out, c)
		}
	}
	if cause != store.CauseEscalation {
		for _, id := range r.Channels {
			add(e.channels[id])
		}
		if len(r.Channels) == 0 {
			for _, c := range e.channels {
				if slices.Contains(c.Severities, r.Severity) {
					add(c)
				}
			}
		}
	}
	if w.event.Escalated {
		for _, id := range r.EscalateTo {
			add(e.channels[id])
		}
	}
	return out
}
