package alert

import (
	"context"
	"fmt"
	"slices"

	"tidegate/store"
)

// pending is what has happened and is not durable. The engine's lock guards it.
type pending struct {
	states  map[watchKey]*watched // to be kept at the next commit; nil: to be forgotten
	touched []*watched            // changed by readings alone: kept at the next flush, or derived from the log again
	events  map[string]store.AlertEvent
	order   []string // of events
	notes   []store.Notification
	beat    bool
}

// state has w kept by the next commit.
func (p *pending) state(w *watched) {
	if p.states == nil {
		p.states = map[watchKey]*watched{}
	}
	if !w.gone {
		p.states[w.key] = w
	}
}

// drop has what is kept under the key forgotten.
func (p *pending) drop(k watchKey) {
	if p.states == nil {
		p.states = map[watchKey]*watched{}
	}
	p.states[k] = nil
}

func (p *pending) touch(w *watched) {
	if !w.dirty {
		w.dirty = true
		p.touched = append(p.touched, w)
	}
}

// event has the episode kept as it is now.
func (p *pending) event(w *watched) {
	p.put(*w.event)
	p.state(w)
}

func (p *pending) put(ev store.AlertEvent) {
	if p.events == nil {
		p.events = map[string]store.AlertEvent{}
	}
	if _, ok := p.events[ev.ID]; !ok {
		p.order = append(p.order, ev.ID)
	}
	p.events[ev.ID] = ev
}

func (p *pending) empty() bool {
	return len(p.states) == 0 && len(p.events) == 0 && len(p.notes) == 0 && !p.beat
}

// wake asks for a commit where one is needed at once.
func (p *pending) wake(c chan struct{}) {
	if !p.empty() {
		poke(c)
	}
}

// take moves what is pending into a commit; whole: with every watch that has
// changed, and the position.
func (e *Engine) take(whole bool) (store.AlertCommit, map[watchKey]*watched) {
	p := &e.pending
	c := store.AlertCommit{Now: max(e.now, e.o.Now().UnixMilli()), Notifications: p.notes}
	if e.position < e.o.Head() {
		c.Now = e.now // there is more to come of before
	}
	states := p.states
	if whole {
		c.Applied = e.position
		if states == nil {
			states = map[watchKey]*watched{}
		}
		for _, w := range p.touched {
			w.dirty = false
			if !w.gone {
				states[w.key] = w
			}
		}
		p.touched = p.touched[:0]
	}
	for k, w := range states {
		s := store.WatchState{RuleID: k.rule, Series: k.series, Position: e.position}
		if w != nil {
			s.Body = w.body()
		}
		c.States = append(c.States, s)
	}
	for _, id := range p.order {
		c.Events = append(c.Events, p.events[id])
	}
	touched := p.touched
	e.pending = pending{touched: touched}
	return c, states
}

// putBack makes pending again what could not be committed; what happened
// meanwhile stands.
func (e *Engine) putBack(c *store.AlertCommit, states map[watchKey]*watched) {
	p := &e.pending
	later := *p
	p.states, p.events, p.order = states, nil, nil
	for _, ev := range c.Events {
		p.put(ev)
	}
	for _, id := range later.order {
		p.put(later.events[id])
	}
	if p.states == nil {
		p.states = map[watchKey]*watched{}
	}
	for k, w := range later.states {
		p.states[k] = w
	}
	p.notes = append(slices.Clip(c.Notifications), later.notes...)
	p.beat = later.beat || c.Now != 0
}

// commit makes durable what is pending, and tells of it.
func (e *Engine) commit(ctx context.Context, whole bool) error {
	e.committing.Lock()
	defer e.committing.Unlock()
	e.mu.Lock()
	if e.pending.empty() && !whole {
		e.mu.Unlock()
		return nil
	}
	c, states := e.take(whole)
	e.mu.Unlock()
	began := e.o.Now()
	err := e.o.Memory.Commit(ctx, c)
	e.mu.Lock()
	e.trouble = err
	if err != nil {
		e.putBack(&c, states)
	} else if whole {
		e.applied = max(e.applied, c.Applied)
	}
	e.room.Broadcast()
	e.mu.Unlock()
	if err != nil {
		return fmt.Errorf("keep alarms: %w", err)
	}
	e.metrics.commit.Observe(e.o.Now().Sub(began).Seconds())
	if len(c.Notifications) > 0 && e.o.Notify != nil {
		e.o.Notify(c.Notifications)
	}
	if len(c.Events) > 0 && e.o.Changed != nil {
		e.o.Changed(c.Events)
	}
	return nil
}

// Flush makes every watch durable as of the position that was evaluated, so that
// the log may be trimmed up to Applied.
func (e *Engine) Flush(ctx context.Context) error { return e.flush(ctx) }

func (e *Engine) flush(ctx context.Context) error { return e.commit(ctx, true) }
