package api

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tidegate/ingest/live"
	"tidegate/store"
)

// liveSub is one subscription of a connection.
type liveSub struct {
	id     int64
	sub    *live.Sub
	filter live.Filter
	told   uint64 // seq of its last message
}

const (
	liveItems = 500 // readings a message, and entries of a part of a snapshot
	// livePace is the time between two messages of a connection, for each
	// connection there is: all viewers together cost so many writes a second and no
	// more. The first message after a silence waits for nothing; behind it events
	// gather for quickestPace, which no eye sees, and with a thousand viewers for a
	// tenth of a second.
	livePace     = 100 * time.Microsecond
	quickestPace = 5 * time.Millisecond
	slowestPace  = 250 * time.Millisecond
	// livePosition is how long a subscription that hears of nothing waits to be told
	// how far the stream has come, so that it can go on from there.
	livePosition = 15 * time.Second
	// liveBuffer is what a connection keeps to write into.
	liveBuffer = 32 << 10
)

// write does what the client says and sends events until the connection ends; it
// answers why it does.
func (l *liveConn) write(ctx context.Context) error {
	defer func() {
		for _, s := range l.subs {
			s.sub.Close()
		}
	}()
	position := time.NewTicker(l.s.o.livePosition)
	defer position.Stop()
	var pace <-chan time.Time // nil: a message may go
	for {
		wake := l.wake
		if pace != nil {
			wake = nil
		}
		var err error
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case m := <-l.said:
			err = l.obey(ctx, m)
		case <-pace:
			pace = nil
		case <-wake:
			if err = l.flush(ctx); err == nil {
				pace = time.After(min(max(time.Duration(l.s.live.count())*livePace, quickestPace), slowestPace))
			}
		case <-position.C:
			err = l.position(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// obey does what the client says.
func (l *liveConn) obey(ctx context.Context, said any) error {
	switch m := said.(type) {
	case LiveSubscribe:
		return l.subscribe(ctx, m)
	case LiveUnsubscribe:
		if i := l.find(m.ID); i >= 0 {
			l.subs[i].sub.Close()
			l.subs = slices.Delete(l.subs, i, i+1)
		}
	case store.Access:
		// Another may have logged in: what waits is looked at again, too.
		for _, s := range l.subs {
			s.filter.Access = m
			s.filter.Devices = l.inspectable(s.filter)
			s.sub.Filter(s.filter)
		}
	}
	return nil
}

func (l *liveConn) find(id int64) int {
	return slices.IndexFunc(l.subs, func(s *liveSub) bool { return s.id == id })
}

// inspectable answers the devices of a filter; of one that chooses messages,
// those that are there and seen: for no others are messages made.
func (l *liveConn) inspectable(f live.Filter) map[string]struct{} {
	if !f.Kinds.Has(live.KindMessage) {
		return f.Devices
	}
	seen := scope{f.Access, l.s.admin.o.Catalog, l.s.admin.o.Registry}
	out := map[string]struct{}{}
	for id := range f.Devices {
		if seen.known(id) != nil {
			out[id] = struct{}{}
		}
	}
	return out
}

func (l *liveConn) subscribe(ctx context.Context, r LiveSubscribe) error {
	f, err := r.filter(l.access())
	if err != nil {
		return err
	}
	f.Devices = l.inspectable(f)
	i := l.find(r.ID)
	if i < 0 && len(l.subs) >= liveSubscriptions {
		return liveLimit("id", liveSubscriptions, "subscriptions are open on one connection; unsubscribe from one, or give the id of one to replace it")
	}
	named := len(f.Ports) + len(f.Devices)
	for k, s := range l.subs {
		if k != i {
			named += len(s.filter.Ports) + len(s.filter.Devices)
		}
	}
	if named > liveNamedInAll {
		return liveLimit("ports", liveNamedInAll, "ports and devices are named by the subscriptions of one connection; leave them out to watch all")
	}
	sub, err := l.s.o.Live.SubscribeSince(f, live.Since{Stream: r.Stream, After: r.After}, l.wake)
	if err != nil {
		return err
	}
	s := &liveSub{id: r.ID, sub: sub, filter: f, told: sub.Begin}
	if i < 0 {
		l.subs = append(l.subs, s)
	} else {
		// What the one before has still to tell comes first; what came since is in
		// the new one.
		old := l.subs[i]
		l.subs[i] = s
		b := old.sub.Take()
		old.sub.Close()
		b.Events = slices.DeleteFunc(b.Events, func(t *live.Told) bool { return t.Seq > sub.Begin })
		if err := l.tell(ctx, old, b); err != nil {
			return err
		}
	}
	err = l.send(ctx, LiveSubscribed{Type: "subscribed", LiveOf: LiveOf{s.id, sub.Begin}, Stream: l.s.o.Live.Stream(), Resumed: sub.Resumed})
	if err != nil || !r.Snapshot {
		return err
	}
	return l.snapshot(ctx, s)
}

// flush sends what waits.
func (l *liveConn) flush(ctx context.Context) error {
	for _, s := range l.subs {
		if err := l.tell(ctx, s, s.sub.Take()); err != nil {
			return err
		}
	}
	return nil
}

// position says how far the stream has come, where that was not heard of.
func (l *liveConn) position(ctx context.Context) error {
	seq := l.s.o.Live.Seq()
	if err := l.flush(ctx); err != nil {
		return err
	}
	for _, s := range l.subs {
		if s.told >= seq {
			continue
		}
		l.buf = appendReadings(l.buf[:0], s.id, seq, nil, 0)
		if err := l.sendBytes(ctx, l.buf); err != nil {
			return err
		}
		s.told = seq
	}
	return nil
}

// tell sends a batch, in order: a client that goes on behind any of its messages
// misses nothing.
func (l *liveConn) tell(ctx context.Context, s *liveSub, b live.Batch) error {
	defer func() {
		if cap(l.buf) > liveBuffer {
			l.buf = nil
		}
	}()
	for !b.Empty() {
		// Up to the next event that is none, or to where others were lost.
		n := 0
		for n < min(len(b.Events), liveItems) && b.Events[n].Kind == live.KindReading && (b.Skipped == 0 || b.Events[n].Seq < b.SkippedSeq) {
			n++
		}
		seq := s.told
		switch {
		case n > 0:
			seq = b.Events[n-1].Seq
			l.buf = appendReadings(l.buf[:0], s.id, seq, b.Events[:n], b.SkippedReadings)
			b.SkippedReadings = 0
		case b.SkippedReadings > 0:
			l.buf = appendReadings(l.buf[:0], s.id, seq, nil, b.SkippedReadings)
			b.SkippedReadings = 0
		case b.Skipped > 0 && (len(b.Events) == 0 || b.Events[0].Seq > b.SkippedSeq):
			seq = b.SkippedSeq
			l.buf = append(appendLiveHead(l.buf[:0], "skipped", s.id, seq), fmt.Sprintf(`"skipped":%d}`, b.Skipped)...)
			b.Skipped = 0
		default:
			n = 1
			seq = b.Events[0].Seq
			l.buf = appendLive(l.buf[:0], s.id, b.Events[0])
		}
		b.Events = b.Events[n:]
		if err := l.sendBytes(ctx, l.buf); err != nil {
			return err
		}
		s.told = max(s.told, seq)
	}
	return nil
}
