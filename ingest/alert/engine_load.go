package alert

import (
	"context"
	"errors"
	"fmt"

	"tidegate/store"
)

// load builds the watches from the catalogue and from what is kept.
func (e *Engine) load(ctx context.Context) error {
	alive, err := e.o.Memory.EngineTime(ctx)
	if err != nil {
		return err
	}
	e.now = alive
	if err := e.SilencesChanged(ctx); err != nil {
		return err
	}
	if err := e.Refresh(ctx); err != nil {
		return err
	}
	open, err := e.o.Memory.OpenEvents(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.pending.states) // nothing that Refresh made anew has to be kept
	began := e.o.Now().UnixMilli()
	var ended []watchKey
	err = e.o.Memory.WatchStates(ctx, func(s store.WatchState) error {
		k := watchKey{s.RuleID, s.Series}
		w := e.watches[k]
		var old watched
		print, err := old.restore(s.Body)
		if err != nil {
			return fmt.Errorf("the state of rule %s at port %d of device %d %w", s.RuleID, s.Series.Port, s.Series.UID, err)
		}
		if w == nil || w.plan.Fingerprint() != print {
			ended = append(ended, k)
			return nil
		}
		w.heard, w.told, w.watch, w.skip = old.heard, old.told, old.watch, s.Position
		return nil
	})
	if err != nil {
		return err
	}
	for i := range open {
		e.adopt(ctx, &open[i])
	}
	for _, w := range e.watches {
		if w.event == nil && w.told.endDue != 0 {
			if err := e.adoptEnded(ctx, w); err != nil {
				return err
			}
		}
		e.restart(w, alive, began)
		e.schedule(w)
	}
	for _, k := range ended {
		if e.watches[k] == nil {
			e.pending.drop(k)
		} else {
			e.pending.state(e.watches[k])
		}
	}
	return nil
}

// restart lets the silence of a port stand still for as long as the box was
// down: from alive, when it was last known to be up, until began.
func (e *Engine) restart(w *watched, alive, began int64) {
	if alive == 0 || began <= alive || w.heard == 0 {
		return
	}
	w.watch.Restart(w.plan, began-max(alive-w.heard, 0))
}

// eventID is of the episode that w.told is of.
func (w *watched) eventID() string { return store.AlertEventID(w.key.rule, w.key.series, w.told.of) }

// adopt goes on with an episode, or ends one whose rule or port is no more.
func (e *Engine) adopt(_ context.Context, ev *store.AlertEvent) {
	k := watchKey{ev.RuleID, store.Series{UID: ev.UID, Port: ev.PortNumber}}
	w := e.watches[k]
	if w != nil && w.told.of != 0 && w.eventID() == ev.ID {
		w.event = ev
		e.events[ev.ID] = w
		return
	}
	// Its rule was changed while this box was down, by another instance or by a
	// restore: whom it concerned is not known any more.
	at := store.Time(max(e.now, int64(ev.FiredAt)))
	ev.State, ev.ResolvedAt, ev.End = store.AlertResolved, &at, store.EndRuleChanged
	e.pending.put(*ev)
}

// adoptEnded goes on with an episode that is over and whose end was not said.
func (e *Engine) adoptEnded(ctx context.Context, w *watched) error {
	id := w.eventID()
	ev, err := e.o.Memory.AlertEvent(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		w.told = telling{}
		return nil
	case err != nil:
		return err
	}
	w.event = &ev
	e.events[id] = w
	return nil
}
