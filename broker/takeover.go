package broker

import "github.com/mochi-mqtt/server/v2/packets"

// register makes s the newest session of its key. Connections with one key
// establish themselves one after the other, and not while mochi forgets an
// earlier one: it forgets by key, and would take the newcomer with it.
func (b *Broker) register(s *session) {
	for {
		b.mu.Lock()
		earlier := b.live[s.key]
		if earlier == nil || (!earlier.leaving && isClosed(earlier.greeted)) {
			b.live[s.key] = s
			if earlier != nil {
				earlier.successor = s
			}
			b.metrics.sessions.Inc()
			s.registered = true
			b.mu.Unlock()
			return
		}
		wait := earlier.greeted
		if earlier.leaving {
			wait = earlier.done
		}
		b.mu.Unlock()
		select {
		case <-wait:
		case <-earlier.done:
		}
	}
}

// handOff is called when mochi is about to forget a session. It waits until a
// successor has taken what it wants, after which mochi leaves the key alone.
func (b *Broker) handOff(s *session) {
	b.mu.Lock()
	successor := s.successor
	if successor == nil {
		s.leaving = true
	}
	b.mu.Unlock()
	if successor != nil {
		select {
		case <-successor.greeted:
		case <-successor.done:
		}
	}
}

// superseded reports whether the client is back with a newer connection.
func (b *Broker) superseded(s *session) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return s.successor != nil
}

// ended cleans up after a connection, however it ended.
func (b *Broker) ended(c *conn, err error) {
	s := c.session
	if s == nil {
		b.stranger(c, err)
		return
	}
	s.acks.breakOff()
	if s.registered {
		b.conclude(s, err)
	}
	s.account.leave(s, s.outcome(err))
	b.kickCommands(s) // another connection of the device may take what this one had
	s.greet()
	close(s.done)
}

// conclude does what mochi leaves out when serving a connection panicked, or
// ended before its first packet, and stores or forgets the session.
func (b *Broker) conclude(s *session, err error) {
	cl := s.client
	b.handOff(s)
	if err == errPanic {
		b.sendWill(s)
	}
	current, ok := b.mochi.Clients.Get(s.key)
	mine := ok && current == cl
	ends := s.endsWithConnection()
	if mine && ends {
		cl.ClearInflights()
		b.mochi.UnsubscribeClient(cl)
		b.mochi.Clients.Delete(s.key)
	}
	if mine && !ends {
		if oldest := s.account.keep(s.key); oldest != "" {
			b.dropStored(oldest)
		}
	}
	b.mu.Lock()
	if b.live[s.key] == s {
		delete(b.live, s.key)
	}
	b.mu.Unlock()
	b.metrics.sessions.Dec()
}

// sendWill does what mochi does at the end of a connection that nobody ended
// in order.
func (b *Broker) sendWill(s *session) {
	if s.client.Properties.Will.Flag == 0 {
		return
	}
	w := b.judgeWill(s, s.client.Properties.Will)
	if w.TopicName == "" {
		return
	}
	err := b.inject(s.key, packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: w.Qos, Retain: w.Retain},
		TopicName:   w.TopicName, Payload: w.Payload, Properties: packets.Properties{User: w.User},
	})
	if err != nil {
		b.log.Error("publish will", "error", err, "principal", s.name)
	}
}

// dropStored forgets a session without a connection.
func (b *Broker) dropStored(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live[key] != nil {
		return
	}
	if cl, ok := b.mochi.Clients.Get(key); ok {
		cl.ClearInflights()
		b.mochi.UnsubscribeClient(cl)
		b.mochi.Clients.Delete(key)
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
