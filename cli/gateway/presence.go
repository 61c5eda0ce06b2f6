package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tidegate/store"
)

// presences is what was last known of each device: kept in the state's file,
// and in memory for whoever asks.
type presences struct {
	state store.State
	mu    sync.RWMutex
	seen  map[uint32]store.Presence
}

// loadPresences reads what was known. Nobody is online before the doors open:
// who was when an earlier process was killed went with it.
func loadPresences(ctx context.Context, state store.State) (*presences, error) {
	seen, err := state.AllPresence(ctx)
	if err != nil {
		return nil, fmt.Errorf("load presence: %w", err)
	}
	if err := state.EndLifecycles(ctx, now(), "server stopped"); err != nil {
		return nil, fmt.Errorf("end lifecycles: %w", err)
	}
	for uid, p := range seen {
		p.Online = false
		seen[uid] = p
	}
	if seen == nil {
		seen = map[uint32]store.Presence{}
	}
	return &presences{state: state, seen: seen}, nil
}

func (p *presences) set(uid uint32, now store.Presence) {
	p.mu.Lock()
	p.seen[uid] = now
	p.mu.Unlock()
	p.state.SetPresence(uid, now)
}

func (p *presences) get(uid uint32) store.Presence {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.seen[uid]
}

// heard notes that a device was heard of by a message, which need not have come
// over MQTT, so that it is known after a restart too.
func (p *presences) heard(uid uint32, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.seen[uid]; at.After(now.LastSeen) {
		now.LastSeen = at
		p.seen[uid] = now
		p.state.SetPresence(uid, now)
	}
}

// noteHeard brings up to date when each device was last heard of.
func (g *gateway) noteHeard() {
	for _, d := range g.devices.Devices() {
		if at, _ := g.flow.Pulse(d.UID); !at.IsZero() {
			g.seen.heard(d.UID, at)
		}
	}
}

// online answers how many devices are connected.
func (p *presences) online() int {
	p.mu.RLock()
	defer p.mu.RUnlock()
	n := 0
	for _, s := range p.seen {
		if s.Online {
			n++
		}
	}
	return n
}

// newest answers the last time at which any device was heard of.
func (p *presences) newest() time.Time {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var t time.Time
	for _, s := range p.seen {
		if s.LastSeen.After(t) {
			t = s.LastSeen
		}
	}
	return t
}

// noteLifecycle keeps what happened to a device, unless that was deleted.
func (g *gateway) noteLifecycle(deviceID string, e store.LifecycleEvent) {
	if d := g.devices.ByID(deviceID); d != nil {
		g.files.state.AddLifecycle(d.UID, e)
	}
}
