package mongo

import (
	"context"
	"fmt"

	"tidegate/store"
)

// Recover implements store.Appender: it makes this process the writer, brings
// about what a process before it had begun, and then bars what that one, or a
// copy of it, may still send.
func (s *SeriesStore) Recover(ctx context.Context) (commit func() error, err error) {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	if err := s.db.Ready(ctx); err != nil {
		return nil, err
	}
	if err := s.checkTarget(ctx); err != nil {
		return nil, err
	}
	before, err := s.lease.take(ctx, s.o.Writers)
	if err != nil {
		return nil, err
	}
	intent, there, err := s.journal.Intent(ctx)
	if err != nil {
		return nil, err
	}
	var p *plan
	if there {
		if p, err = s.sendAgain(ctx, intent); err != nil {
			return nil, fmt.Errorf("finish what was begun before: %w", err)
		}
	}
	if err := s.bar(ctx, before); err != nil {
		return nil, fmt.Errorf("bar earlier writers: %w", err)
	}
	if p == nil {
		return nil, nil
	}
	o := p.outcome(intent.Stored, intent.Duplicate, s.o.Now())
	return func() error {
		s.tellRefused(o.Refused)
		if err := s.journal.Finish(context.WithoutCancel(ctx), o); err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.through, s.leavesAt = o.Through, o.Through
		return nil
	}, nil
}

// checkTarget refuses a database that the journal is not of.
func (s *SeriesStore) checkTarget(ctx context.Context) error {
	id, err := s.journal.Target(ctx)
	if err != nil || id == s.db.identity() {
		return err
	}
	return s.journal.SetTarget(ctx, s.db.identity(), s.db.place())
}

// sendAgain brings about what an intent of an earlier process says.
func (s *SeriesStore) sendAgain(ctx context.Context, i store.Intent) (*plan, error) {
	p, err := decodePlan(i.Body)
	if err != nil {
		return nil, err
	}
	p.through = i.Through // a log that was adopted counts anew
	for _, c := range p.commands() {
		c.sent = true // perhaps
	}
	s.o.Logger.Info("a flush was cut off; its commands are sent again", "commands", len(p.commands()), "through", p.through)
	return p, s.send(ctx, p)
}

// bar takes a number of every session that an earlier writer may use: afterwards
// nothing that it sent is under way, and what it still sends is refused.
func (s *SeriesStore) bar(ctx context.Context, before leaseDoc) error {
	if !s.retryable() {
		return nil // nothing is under way: an intent was settled, or there was none
	}
	log := s.lease.log
	lanes := s.o.Writers
	if before.Log != "" {
		lanes = max(lanes, before.Lanes)
		var ok bool
		if log, ok = store.ParseLogID(before.Log); !ok {
			return fmt.Errorf("the lease names log %q, which is none", before.Log)
		}
	}
	for _, l := range []store.LogID{log, s.lease.log} {
		for lane := range lanes {
			n := numbering{session: sessionID(s.db.identity(), l, lane), number: s.lease.number()}
			if err := s.sender.bump(ctx, n); err != nil {
				return err
			}
		}
		if log == s.lease.log {
			break
		}
	}
	return nil
}
