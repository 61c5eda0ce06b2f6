package alert

import (
	"context"
	"fmt"
	"strings"

	"tidegate/store"
)

const (
	maxComment  = 2000
	maxComments = 100
)

// Acknowledge notes who has taken an episode on, in place of whoever did before:
// nobody is told again that it fires, and it does not escalate. One that is over
// can be acknowledged too. It is durable on return.
func (e *Engine) Acknowledge(ctx context.Context, id, by, comment string) (store.AlertEvent, error) {
	return e.change(ctx, id, comment, func(w *watched, ev *store.AlertEvent) error {
		first := ev.Acknowledged == nil
		ev.Acknowledged = &store.Acknowledgement{By: by, At: e.wallClock(), Comment: comment}
		e.pending.put(*ev)
		if first && w != nil && ev.Open() && w.told.count > 0 {
			e.tell(w, store.CauseAcknowledged)
		}
		return nil
	})
}

// Unacknowledge takes it back. It is durable on return.
func (e *Engine) Unacknowledge(ctx context.Context, id, _ string) (store.AlertEvent, error) {
	return e.change(ctx, id, "", func(_ *watched, ev *store.AlertEvent) error {
		ev.Acknowledged = nil
		e.pending.put(*ev)
		return nil
	})
}

// Comment adds what somebody says of an episode, also of one that is over.
func (e *Engine) Comment(ctx context.Context, id, by, text string) (store.AlertEvent, error) {
	if strings.TrimSpace(text) == "" {
		return store.AlertEvent{}, store.Invalid("alert event", "text", "is empty")
	}
	return e.change(ctx, id, text, func(_ *watched, ev *store.AlertEvent) error {
		if len(ev.Comments) >= maxComments {
			return store.Invalid("alert event", "text", "comes to %d others, which is the most", maxComments)
		}
		ev.Comments = append(ev.Comments[:len(ev.Comments):len(ev.Comments)], store.Comment{By: by, At: e.wallClock(), Text: text})
		e.pending.put(*ev)
		return nil
	})
}

func (e *Engine) wallClock() store.Time { return store.Time(e.o.Now().UnixMilli()) }

// change changes an episode, in memory and durably. w is nil for one that the
// engine has no watch of.
func (e *Engine) change(ctx context.Context, id, text string, fn func(w *watched, ev *store.AlertEvent) error) (store.AlertEvent, error) {
	if len(text) > maxComment {
		return store.AlertEvent{}, store.Invalid("alert event", "comment", "has at most %d bytes", maxComment)
	}
	e.changing.Lock()
	defer e.changing.Unlock()
	kept, err := e.o.Memory.AlertEvent(ctx, id)
	if err != nil {
		return store.AlertEvent{}, err
	}
	e.mu.Lock()
	w, ev := e.events[id], &kept
	if w != nil {
		ev = w.event
	}
	if newer, ok := e.pending.events[id]; ok && w == nil {
		ev = &newer
	}
	err = fn(w, ev)
	out := *ev
	e.mu.Unlock()
	if err != nil {
		return store.AlertEvent{}, err
	}
	if err := e.commit(ctx, false); err != nil {
		return store.AlertEvent{}, fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return out, nil
}

// AlertEvent answers an episode, as of now.
func (e *Engine) AlertEvent(ctx context.Context, id string) (store.AlertEvent, error) {
	ev, err := e.o.Memory.AlertEvent(ctx, id)
	if err != nil {
		return ev, err
	}
	list := []store.AlertEvent{ev}
	e.overlay(list)
	return list[0], nil
}

// ListAlertEvents answers newest first, as of now.
func (e *Engine) ListAlertEvents(ctx context.Context, f store.AlertEventFilter) ([]store.AlertEvent, error) {
	list, err := e.o.Memory.ListAlertEvents(ctx, f)
	if err != nil {
		return nil, err
	}
	e.overlay(list)
	return list, nil
}

// overlay brings episodes that go on up to date: what readings change of them is
// kept with the next flush alone.
func (e *Engine) overlay(list []store.AlertEvent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range list {
		w := e.events[list[i].ID]
		if w == nil || !list[i].Open() {
			continue
		}
		now := *w.event
		e.current(w, w.now(), &now)
		if now.Open() {
			list[i] = now
		}
	}
}

// SilencesChanged takes over a change of the silences.
func (e *Engine) SilencesChanged(ctx context.Context) error {
	list, err := e.o.Memory.ListSilences(ctx, "", store.Page{})
	if err != nil {
		return fmt.Errorf("load silences: %w", err)
	}
	e.mu.Lock()
	now := e.now
	e.mu.Unlock()
	made := make([]silence, 0, len(list))
	for _, s := range list {
		if s.EndsAt != nil && int64(*s.EndsAt) <= now {
			continue // it is over
		}
		q, err := NewQuiet(s)
		if err != nil {
			return fmt.Errorf("load silence %s: %w", s.ID, err)
		}
		made = append(made, silence{s, q})
	}
	e.mu.Lock()
	e.silences = made
	e.mu.Unlock()
	poke(e.tick)
	return nil
}

// silence is a store.Silence made ready.
type silence struct {
	store.Silence
	quiet *Quiet
}

// silencedBy answers the id of a silence that keeps the episode quiet now.
func (e *Engine) silencedBy(ev *store.AlertEvent) string {
	for i := range e.silences {
		s := &e.silences[i]
		if !s.Matches(ev) {
			continue
		}
		if quiet, _ := s.quiet.At(e.now); quiet {
			return s.ID
		}
	}
	return ""
}

// Channel answers a channel with its secrets, as the engine knows it.
func (e *Engine) Channel(id string) (store.Channel, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.channels[id]
	return c, ok
}
