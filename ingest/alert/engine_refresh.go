package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tidegate/store"
)

// planned is a rule with what makes its plans. It is used under
// Engine.refreshing.
type planned struct {
	rule    *store.AlertRule
	planner *Planner // during a refresh; nil: it has not been needed
	message *Message // its own; nil: the sentence of its condition
}

// planned makes a rule ready.
func (e *Engine) planned(r store.AlertRule) *planned {
	n := &planned{rule: &r}
	if strings.TrimSpace(r.Message) != "" {
		// One that is not valid is of an older version: the sentence of the
		// condition says it too.
		if m, err := NewMessage(r); err == nil {
			n.message = m
		}
	}
	return n
}

// planKey is all that a watch takes of a plan.
type planKey struct {
	terms
	joinWithin int64
}

// shared answers the plan that others with the same terms have.
func (e *Engine) shared(p *Plan) *Plan {
	k := planKey{p.terms, p.joinWithin}
	if of := e.plans[k]; of != nil {
		return of
	}
	e.plans[k] = p
	return p
}

// sentence answers the message of rules that have none of their own, which share
// it.
func (e *Engine) sentence(k store.ConditionKind) *Message {
	m := e.sentences[k]
	if m == nil {
		var err error
		if m, err = NewMessage(store.AlertRule{Condition: store.Condition{Kind: k}}); err != nil {
			panic(err) // the sentences are ours, and tested
		}
		e.sentences[k] = m
	}
	return m
}

// ruleBook has the enabled rules by what they choose.
type ruleBook struct {
	byID     map[string]*planned
	byOrg    map[string]map[string]*planned // those that name no device
	byDevice map[string]map[string]*planned
}

func newRuleBook() ruleBook {
	return ruleBook{byID: map[string]*planned{}, byOrg: map[string]map[string]*planned{}, byDevice: map[string]map[string]*planned{}}
}

func (b *ruleBook) put(n *planned) {
	r := n.rule
	b.drop(r.ID)
	if !r.Enabled {
		return
	}
	b.byID[r.ID] = n
	place := func(m map[string]map[string]*planned, k string) {
		if m[k] == nil {
			m[k] = map[string]*planned{}
		}
		m[k][r.ID] = n
	}
	if len(r.Selection.DeviceIDs) == 0 {
		place(b.byOrg, r.OrgID)
	}
	for _, id := range r.Selection.DeviceIDs {
		place(b.byDevice, id)
	}
}

func (b *ruleBook) drop(id string) {
	n := b.byID[id]
	if n == nil {
		return
	}
	r := n.rule
	delete(b.byID, id)
	take := func(m map[string]map[string]*planned, k string) {
		if delete(m[k], id); len(m[k]) == 0 {
			delete(m, k)
		}
	}
	take(b.byOrg, r.OrgID)
	for _, d := range r.Selection.DeviceIDs {
		take(b.byDevice, d)
	}
}

// of calls fn for every rule that may watch a port of the device.
func (b *ruleBook) of(d *store.Device, fn func(*planned)) {
	for _, m := range []map[string]*planned{b.byDevice[d.ID], b.byOrg[d.OrgID]} {
		for _, r := range m {
			if r.rule.OrgID == d.OrgID {
				fn(r)
			}
		}
	}
}

// Refresh takes over the whole catalogue, after others have changed it. A watch
// whose rule and port say the same as before goes on; the episodes of others
// end.
func (e *Engine) Refresh(ctx context.Context) error {
	e.refreshing.Lock()
	defer e.refreshing.Unlock()
	rules, err := e.o.Catalog.ListAlertRules(ctx, store.AlertRuleFilter{})
	if err != nil {
		return fmt.Errorf("load alert rules: %w", err)
	}
	channels, err := e.loadChannels(ctx)
	if err != nil {
		return err
	}
	book := newRuleBook()
	clear(e.plans)
	for i := range rules {
		book.put(e.planned(rules[i]))
	}
	next := map[watchKey]*watched{}
	e.o.Devices.Each(func(d store.Device, ports []store.Port) {
		book.of(&d, func(r *planned) { e.want(next, r, &d, ports) })
	})
	for _, r := range book.byID {
		r.planner = nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rules, e.channels = book, channels
	e.replace(func(*watched) bool { return true }, next)
	return nil
}

// RefreshRule takes over one rule that was made, changed or deleted.
func (e *Engine) RefreshRule(ctx context.Context, id string) error {
	e.refreshing.Lock()
	defer e.refreshing.Unlock()
	r, err := e.o.Catalog.AlertRule(ctx, id)
	gone := errors.Is(err, store.ErrNotFound)
	if err != nil && !gone {
		return fmt.Errorf("load alert rule %s: %w", id, err)
	}
	n := e.planned(r)
	next := map[watchKey]*watched{}
	switch {
	case gone || !r.Enabled:
	case len(r.Selection.DeviceIDs) > 0:
		for _, device := range r.Selection.DeviceIDs {
			if d, ports, ok := e.o.Devices.Device(device); ok && d.OrgID == r.OrgID {
				e.want(next, n, &d, ports)
			}
		}
	default:
		e.o.Devices.Each(func(d store.Device, ports []store.Port) {
			if d.OrgID == r.OrgID {
				e.want(next, n, &d, ports)
			}
		})
	}
	n.planner = nil
	e.mu.Lock()
	defer e.mu.Unlock()
	if gone {
		e.rules.drop(id)
	} else {
		e.rules.put(n)
	}
	e.replace(func(w *watched) bool { return w.key.rule == id }, next)
	return nil
}

// RefreshDevice takes over a device that was made, changed or deleted, or one of
// its ports.
func (e *Engine) RefreshDevice(_ context.Context, id string) error {
	e.refreshing.Lock()
	defer e.refreshing.Unlock()
	d, ports, ok := e.o.Devices.Device(id)
	e.mu.Lock()
	defer e.mu.Unlock()
	next := map[watchKey]*watched{}
	if ok {
		e.rules.of(&d, func(r *planned) {
			e.want(next, r, &d, ports)
			r.planner = nil
		})
	}
	e.replace(func(w *watched) bool { return w.port.device.ID == id }, next)
	return nil
}

// RefreshChannels takes over a change of the channels.
func (e *Engine) RefreshChannels(ctx context.Context) error {
	e.refreshing.Lock()
	defer e.refreshing.Unlock()
	channels, err := e.loadChannels(ctx)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.channels = channels
	return nil
}

func (e *Engine) loadChannels(ctx context.Context) (map[string]store.Channel, error) {
	list, err := e.o.Catalog.ListChannels(ctx, store.ChannelFilter{})
	if err != nil {
		return nil, fmt.Errorf("load channels: %w", err)
	}
	out := make(map[string]store.Channel, len(list))
	for _, c := range list {
		out[c.ID] = c
	}
	return out, nil
}

// want adds the watches of a rule at a device's ports.
func (e *Engine) want(next map[watchKey]*watched, r *planned, d *store.Device, ports []store.Port) {
	if d.State != store.DeviceActive {
		return
	}
	add := func(p *store.Port) {
		if !r.rule.Selection.Matches(*d, *p) {
			return
		}
		if r.planner == nil {
			r.planner = NewPlanner(*r.rule)
		}
		plan, ok := r.planner.Plan(*p)
		if !ok {
			return
		}
		plan = e.shared(plan)
		text := r.message
		if text == nil {
			text = e.sentence(r.rule.Condition.Kind)
		}
		k := watchKey{r.rule.ID, store.Series{UID: d.UID, Port: p.Number}}
		next[k] = &watched{
			key: k, rule: r.rule, text: text, plan: plan, heapIndex: -1,
			port: port{device: d, name: p.Name, unit: p.Unit},
		}
	}
	if len(r.rule.Selection.Ports) == 0 {
		for i := range ports {
			add(&ports[i])
		}
		return
	}
	for _, n := range r.rule.Selection.Ports {
		i, ok := slices.BinarySearchFunc(ports, n, func(p store.Port, n uint16) int { return cmp.Compare(p.Number, n) })
		if ok {
			add(&ports[i])
		}
	}
}

// replace puts next in place of the watches that are meant. One that has the
// same fingerprint goes on.
func (e *Engine) replace(meant func(*watched) bool, next map[watchKey]*watched) {
	for k, w := range e.watches {
		if !meant(w) {
			continue
		}
		n := next[k]
		if n != nil && n.plan.Same(w.plan) {
			w.rule, w.text, w.plan, w.port = n.rule, n.text, n.plan, n.port
			delete(next, k)
			continue
		}
		e.end(w)
	}
	for k, w := range next {
		w.watch = NewWatch(w.plan, e.now)
		e.watches[k] = w
		e.bySeries[k.series] = append(e.bySeries[k.series], w)
		e.pending.state(w) // so that it never sees what came before it
		e.schedule(w)
	}
	e.pending.wake(e.wake)
	poke(e.tick)
}

// end ends a watch, and its episode.
func (e *Engine) end(w *watched) {
	why := store.EndRuleChanged
	if !e.there(w) {
		why = store.EndDeviceGone
	}
	e.happened(w, w.watch.End(max(e.now, w.heard), why))
	if w.event != nil {
		e.sayEnd(w)
	}
	w.gone = true
	e.pending.drop(w.key)
	delete(e.watches, w.key)
	left := slices.DeleteFunc(e.bySeries[w.key.series], func(x *watched) bool { return x == w })
	if len(left) == 0 {
		delete(e.bySeries, w.key.series)
	} else {
		e.bySeries[w.key.series] = left
	}
}

// there reports whether the port of w is still there.
func (e *Engine) there(w *watched) bool {
	d, ports, ok := e.o.Devices.Device(w.port.device.ID)
	return ok && d.State == store.DeviceActive && d.UID == w.key.series.UID &&
		slices.ContainsFunc(ports, func(p store.Port) bool { return p.Number == w.key.series.Port })
}
