package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"tidegate/store"
)

// sent notes that a connection has written a command.
func (q *commands) sent(s *session, pk *packets.Packet) {
	q.about(s, pk, func(c *command) {
		c.State = store.CommandSent
		c.loose = pk.FixedHeader.Qos == 0
		if !slices.Contains(c.to, s) {
			c.to = append(slices.Clip(c.to), s) // it began to listen while the command was handed out
		}
		q.out(c)
		q.note(c)
	})
}

// out counts that c went out: on the word of the connection that wrote it, or
// of what came back, which may be faster. mu is held.
func (q *commands) out(c *command) {
	c.SentAt, c.out = q.now(), true
	c.Sent++
	q.b.metrics.commands.WithLabelValues(string(store.CommandSent)).Inc()
}

// dropped notes that a connection had no room for one.
func (q *commands) dropped(s *session, pk *packets.Packet) {
	q.about(s, pk, func(c *command) {
		c.lost = true
		q.nudge()
	})
}

// acked notes that a connection has acked a packet that it was sent. An MQTT 5
// client may refuse it so.
func (q *commands) acked(s *session, cl *mqtt.Client, pk *packets.Packet) {
	if q == nil || q.open.Load() == 0 {
		return
	}
	sent, ok := cl.State.Inflight.Get(pk.PacketID)
	if !ok {
		return
	}
	q.about(s, &sent, func(c *command) {
		if !c.out {
			q.out(c)
		}
		c.AckedAt = q.now()
		q.kicked[c.UID] = struct{}{} // there is room for the next
		if pk.ReasonCode >= packets.ErrUnspecifiedError.Code {
			q.end(c, store.CommandFailed, fmt.Sprintf("the device refused it with reason code 0x%02X", pk.ReasonCode))
			return
		}
		c.State = store.CommandAcked
		q.b.metrics.commands.WithLabelValues(string(c.State)).Inc()
		q.note(c)
	})
}

// about calls fn for the command that a packet to a connection carries, while
// the device has not acked it. fn holds mu.
func (q *commands) about(s *session, pk *packets.Packet, fn func(*command)) {
	if q == nil || q.open.Load() == 0 {
		return
	}
	id, ours := s.access.command(pk)
	if !ours {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if c := q.find(s.uid, id); c != nil && (c.State == store.CommandQueued || c.State == store.CommandSent) {
		fn(c)
	}
}

// commandResult is what a device answers.
type commandResult struct {
	ID     string          `json:"id"`
	Status string          `json:"status"`
	Result json.RawMessage `json:"result"`
}

// readResult answers what is wrong with an answer, for people.
func readResult(payload []byte) (r commandResult, wrong string) {
	if json.Unmarshal(payload, &r) != nil || r.ID == "" || r.Status != "ok" && r.Status != "error" {
		return r, `answered a command with what is not {"id":"…","status":"ok" or "error","result":…}`
	}
	return r, ""
}

// answer takes what a device says became of a command, and tells done once that
// is on disk. wrong is for people: nothing has changed.
func (q *commands) answer(s *session, payload []byte, done func(error)) (wrong string) {
	r, wrong := readResult(payload)
	if wrong != "" {
		return wrong
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.find(s.uid, r.ID)
	if c == nil {
		n, err := q.kept.Command(context.Background(), s.uid, r.ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return "answered command " + shown(r.ID, maxTopicShown) + ", which it was not given"
		case err != nil:
			done(err)
			return ""
		case n.State != store.CommandExpired || n.Result != nil:
			done(nil) // again, or a second one: the first counts
			return ""
		}
		c = &command{Command: n, stored: true} // late, and worth to be known
		q.of[s.uid] = append(q.of[s.uid], c)
		q.open.Add(1)
	}
	if c.State.Open() {
		if c.Sent == 0 {
			q.out(c)
		}
		state := store.CommandDone
		if r.Status == "error" {
			state = store.CommandFailed
		}
		q.end(c, state, "")
		c.take(r)
	} else if c.State == store.CommandExpired && c.Result == nil {
		c.take(r)
		c.Detail = store.CutCommandDetail(c.Detail + "; the device answered " + r.Status + " afterwards")
		q.note(c)
	}
	q.waiting = append(q.waiting, done)
	q.nudge()
	return ""
}

// take keeps a result, as far as it may be.
func (c *command) take(r commandResult) {
	c.Result = json.RawMessage("null")
	switch {
	case r.Result == nil:
	case store.ValidCommandJSON(r.Result):
		c.Result = r.Result
	default:
		c.Detail = fmt.Sprintf("its result of %d bytes is not kept: at most %d bytes of JSON, nested at most 100 deep", len(r.Result), store.MaxCommandBytes)
	}
}

// takeResult takes a device's answer to a command. It is acked when it is on
// disk, and relayed to whoever subscribes.
func (b *Broker) takeResult(s *session, pk packets.Packet) {
	in := s.in
	if in.qos > 0 {
		if in.resent && s.acks.owes(in.id) {
			return // its ack is on the way
		}
		if !s.reserve() {
			return
		}
	}
	var token uint64
	if in.qos > 0 {
		token = s.acks.push(in.id, b.elapsed(in.at), false, 0)
	}
	if err := b.inject(s.key, pk); err != nil {
		b.log.Error("relay an answer", "error", err, "principal", s.name)
	}
	b.metrics.other[in.qos].Inc()
	done := func(err error) {
		switch {
		case in.qos == 0:
		case err != nil:
			s.conn.closeFor("unavailable") // the device sends it again on its next connection
		default:
			s.acks.settle(token)
		}
	}
	if b.commands == nil {
		done(nil)
		return
	}
	if wrong := b.commands.answer(s, pk.Payload, done); wrong != "" {
		b.refuse(s.refusal("cmdres", wrong))
		done(nil)
	}
}
