package broker

import (
	"context"
	"slices"

	"github.com/mochi-mqtt/server/v2/packets"

	"tidegate/store"
)

// SendCommand keeps a command of which UID, OrgID, DeviceID, Name, Params, Actor
// and ExpiresAt are given, and sends it as soon as the device is there. It is on
// disk on return. ErrConflict: too many are open.
func (b *Broker) SendCommand(ctx context.Context, n store.Command) (store.Command, error) {
	q := b.commands
	if q == nil {
		return n, store.Unavailable("command", "there are none in this mode")
	}
	newest, err := q.kept.ListCommands(ctx, store.CommandFilter{UID: n.UID, Limit: 1})
	if err != nil {
		return n, err
	}
	q.mu.Lock()
	if len(q.of[n.UID]) >= store.MaxOpenCommands {
		q.mu.Unlock()
		return n, store.Conflict("device", n.DeviceID, "has %d commands that are open already; wait until some end, or withdraw some", store.MaxOpenCommands)
	}
	if q.open.Load() >= store.MaxCommands {
		q.mu.Unlock()
		return n, store.Conflict("command", "", "%d are open already; wait until some end, or withdraw some", store.MaxCommands)
	}
	n.CreatedAt, n.State = q.now(), store.CommandQueued
	q.last = max(n.CreatedAt, q.last+1) // so that ids are in order
	if len(newest) > 0 {
		q.last = max(q.last, store.CommandIDTime(newest[0].ID)+1) // also when the clock was set back
	}
	n.ID = store.NewCommandID(q.last)
	if err := n.Validate(); err != nil {
		q.mu.Unlock()
		return n, err
	}
	c := &command{Command: n}
	q.of[n.UID] = append(q.of[n.UID], c)
	q.open.Add(1)
	q.changed[c] = struct{}{}
	q.b.metrics.commands.WithLabelValues(string(n.State)).Inc()
	return n, q.durable(ctx)
}

// WithdrawCommand ends a command that is open, and answers it as it is then. A
// device that has it already is not told. ErrConflict: it has ended before.
func (b *Broker) WithdrawCommand(ctx context.Context, uid uint32, id, actor string) (store.Command, error) {
	q := b.commands
	if q == nil {
		return store.Command{}, store.NotFound("command", id)
	}
	q.mu.Lock()
	c := q.find(uid, id)
	if c == nil || !c.State.Open() {
		var n store.Command
		var err error
		if c != nil {
			n = c.Command
		}
		q.mu.Unlock()
		if c == nil {
			n, err = q.kept.Command(ctx, uid, id)
		}
		if err == nil {
			err = store.Conflict("command", id, "is %s already", n.State)
		}
		return n, err
	}
	q.end(c, store.CommandExpired, "withdrawn by "+actor)
	n := c.Command
	return n, q.durable(ctx)
}

// DropCommands ends what is open of a device that gets no more commands, for a
// reason; and with history takes all of its commands off the disk.
func (b *Broker) DropCommands(ctx context.Context, uid uint32, reason string, history bool) error {
	q := b.commands
	if q == nil {
		return nil
	}
	q.mu.Lock()
	for _, c := range q.of[uid] {
		if c.State.Open() {
			q.end(c, store.CommandExpired, reason)
		}
	}
	if err := q.durable(ctx); err != nil || !history {
		return err
	}
	return q.kept.DeleteCommands(ctx, uid)
}

// kickCommands says that a device may be ready for commands.
func (b *Broker) kickCommands(s *session) {
	q := b.commands
	if q == nil || s.uid == 0 || q.open.Load() == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.of[s.uid]) > 0 {
		q.kicked[s.uid] = struct{}{}
		q.nudge()
	}
}

// deliver gives devices that are there what waits for them.
func (q *commands) deliver() {
	q.mu.Lock()
	now := q.b.opts.Now()
	for uid, list := range q.of {
		for _, c := range list {
			if !c.State.Open() || len(c.to) == 0 {
				continue
			}
			overdue := !c.out && now.Sub(c.given) > commandPatience
			if overdue && c.held() {
				c.given, overdue = now, false
			}
			if c.lost || overdue {
				c.to, c.lost = nil, false
				q.kicked[uid] = struct{}{}
			}
		}
	}
	devices := make(map[uint32][2]string, len(q.kicked))
	for uid := range q.kicked {
		if list := q.of[uid]; len(list) > 0 {
			devices[uid] = [2]string{list[0].OrgID, list[0].DeviceID}
		}
	}
	clear(q.kicked)
	q.mu.Unlock()
	for uid, d := range devices {
		topic := commandTopic(d[0], d[1])
		if to := q.b.listeners(d[1], uid, topic); len(to) > 0 {
			q.deliverTo(uid, topic, to)
			q.b.purge(d[1])
		}
	}
}

// listeners are the connections of a device that are subscribed to its command
// topic.
func (b *Broker) listeners(deviceID string, uid uint32, topic string) (to []*session) {
	b.mu.Lock()
	a := b.accounts[deviceID]
	b.mu.Unlock()
	if a == nil || a.uid != uid {
		return nil
	}
	open := a.sessionsThat(func(s *session) bool { return isClosed(s.greeted) && !s.subscribing.Load() && !isClosed(s.conn.closed) })
	if len(open) == 0 {
		return nil
	}
	found := b.mochi.Topics.Subscribers(topic)
	for _, s := range open {
		_, listens := found.Subscriptions[s.key]
		for _, group := range found.Shared {
			if _, shares := group[s.key]; shares {
				listens = true
			}
		}
		if listens {
			to = append(to, s)
		}
	}
	return to
}

// deliverTo gives connections of a device what waits, up to the window.
func (q *commands) deliverTo(uid uint32, topic string, to []*session) {
	var ready []*command
	var texts []packets.Packet
	q.mu.Lock()
	under := 0
	for _, c := range q.of[uid] {
		if !c.stored || c.State != store.CommandQueued && c.State != store.CommandSent {
			continue
		}
		if c.underWay() {
			if !c.loose {
				under++
			}
			continue
		}
		ready = append(ready, c)
	}
	ready = ready[:min(len(ready), max(0, commandWindow-under))]
	now := q.b.opts.Now()
	for _, c := range ready {
		payload, err := c.payload()
		if err != nil {
			q.end(c, store.CommandFailed, "it cannot be written: "+err.Error())
			continue
		}
		c.to, c.given, c.out, c.loose, c.lost = to, now, false, false, false
		left := c.ExpiresAt.Time().Sub(now)
		texts = append(texts, packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1},
			TopicName:   topic, Payload: payload,
			Properties: packets.Properties{
				MessageExpiryInterval: uint32(max(1, left.Seconds())),
				ResponseTopic:         resultTopic(c.OrgID, c.DeviceID), CorrelationData: []byte(c.ID),
			},
		})
	}
	q.mu.Unlock()
	for _, pk := range texts {
		if err := q.b.inject("", pk); err != nil {
			q.b.log.Error("send a command", "error", err, "topic", topic)
		}
	}
}

// underWay reports whether a connection that is open has it, or is about to.
func (c *command) underWay() bool {
	for _, s := range c.to {
		if !isClosed(s.conn.closed) {
			return true
		}
	}
	return false
}

// held reports whether it waits in mochi for a connection that is open: one whose
// client takes few at a time.
func (c *command) held() bool {
	for _, s := range c.to {
		if isClosed(s.conn.closed) {
			continue
		}
		for _, pk := range s.client.State.Inflight.GetAll(false) {
			if id, ours := s.access.command(&pk); ours && id == c.ID {
				return true
			}
		}
	}
	return false
}

// purge takes commands out of the sessions of a device that have no connection:
// the next one gets them from the queue, if they are good then.
func (b *Broker) purge(deviceID string) {
	b.mu.Lock()
	a := b.accounts[deviceID]
	b.mu.Unlock()
	if a == nil {
		return
	}
	a.mu.Lock()
	keys := slices.Clone(a.stored)
	a.mu.Unlock()
	for _, key := range keys {
		cl, ok := b.mochi.Clients.Get(key)
		if !ok {
			continue
		}
		s := sessionOf(cl)
		if s == nil {
			continue
		}
		for _, pk := range cl.State.Inflight.GetAll(false) {
			if _, ours := s.access.command(&pk); ours {
				cl.State.Inflight.Delete(pk.PacketID)
			}
		}
	}
}
