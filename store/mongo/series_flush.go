package mongo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"tidegate/store"
)

// Flush implements store.Appender: what was appended is kept as an intent, sent,
// and noted as applied once all of it is answered. A flush that failed after its
// first command left goes on with the very same commands at the next call.
func (s *SeriesStore) Flush(ctx context.Context, before func(through uint64) error) (uint64, error) {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	began := time.Now()
	if s.pending != nil {
		if before != nil {
			if err := before(s.pending.through); err != nil {
				return 0, err
			}
		}
		if err := s.finish(ctx); err != nil {
			return 0, fmt.Errorf("finish a flush: %w", err)
		}
	}
	through, err := s.freeze()
	if err != nil {
		return 0, err
	}
	if before != nil {
		if err := before(through); err != nil {
			return 0, err
		}
	}
	if err := s.begin(ctx, through); err != nil {
		return 0, fmt.Errorf("begin a flush: %w", err)
	}
	if s.pending == nil {
		return through, nil
	}
	if err := s.finish(ctx); err != nil {
		return 0, fmt.Errorf("flush: %w", err)
	}
	s.metrics.flushSeconds.Observe(time.Since(began).Seconds())
	return through, nil
}

// CutFlush makes the next flush end with an error after so many of its commands:
// a test's means.
func (s *SeriesStore) CutFlush(commands int) { s.cut.Store(int64(min(commands, math.MaxInt-1)) + 1) }

// freeze takes what was appended out of the way of Append and answers the
// position it reaches. While a failed batch waits to be repeated only what was
// frozen before is answered: its readings would stand beyond the position.
func (s *SeriesStore) freeze() (through uint64, err error) {
	s.batching.Lock()
	defer s.batching.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bound {
		return 0, errUnbound("flush")
	}
	if len(s.partial) > 0 {
		return s.leavesAt, nil
	}
	for _, h := range s.dirty {
		if !h.leaving {
			h.leaving = true
			s.leaving = append(s.leaving, h)
		}
		h.frozen.Take(&h.live, &s.pool)
		h.dirty = false
		s.settleTallies(h)
	}
	clear(s.dirty)
	s.dirty = s.dirty[:0]
	s.frozen.take(&s.live)
	s.leavingPayloads += s.payloads
	s.payloads, s.payload = 0, ""
	s.leavesAt = s.through
	return s.leavesAt, nil
}

// begin makes a plan of what is frozen and keeps it in the journal. Without
// readings there is nothing to send: position and counters move at once.
func (s *SeriesStore) begin(ctx context.Context, through uint64) error {
	var heads []*head
	for _, h := range s.leaving {
		if h.frozen.N > 0 {
			heads = append(heads, h)
		}
	}
	if len(heads) == 0 {
		if through == s.journal.Applied() && s.frozen.stored+s.frozen.duplicate == 0 {
			return s.keepLease(ctx)
		}
		return s.commit(ctx, store.Outcome{Through: through, Stored: s.frozen.storedHours, Duplicate: s.frozen.duplicateHours})
	}
	if err := s.db.Ready(ctx); err != nil {
		return err
	}
	if err := s.lease.hold(ctx); err != nil {
		return err
	}
	now, err := s.db.serverTime(ctx)
	if err != nil {
		return err
	}
	p, err := newPlan(heads, s.o.Writers, s.o.Names, s.lease.number)
	if err != nil {
		return err
	}
	p.through, p.begun, p.principal, p.numbered = through, now, s.db.principal(), s.retryable()
	err = s.journal.Begin(ctx, store.Intent{Through: through, Stored: s.frozen.storedHours, Duplicate: s.frozen.duplicateHours, Body: p.encode(make([]byte, 0, intentBytes*p.docs()))})
	if err != nil {
		return err
	}
	s.pending = p
	return nil
}

// keepLease renews the lease of an idle writer, when that is due and the server
// is there.
func (s *SeriesStore) keepLease(ctx context.Context) error {
	if !s.db.ready.Load() || s.lease.currentEpoch() == 0 {
		return nil
	}
	if err := s.lease.hold(ctx); err != nil && !errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return nil
}

// finish sends what is left of the pending plan and notes it as applied.
func (s *SeriesStore) finish(ctx context.Context) error {
	if err := s.db.Ready(ctx); err != nil {
		return err
	}
	p := s.pending
	if err := s.send(ctx, p); err != nil {
		return err
	}
	if err := s.cutHere(); err != nil {
		return err
	}
	o := p.outcome(s.frozen.storedHours, s.frozen.duplicateHours, s.o.Now())
	s.tellRefused(o.Refused)
	return s.commit(ctx, o)
}

func (s *SeriesStore) tellRefused(all []store.Refusal) {
	if len(all) == 0 {
		return
	}
	s.metrics.refused.Add(float64(len(all)))
	s.o.Logger.Error("MongoDB refused readings; they are kept aside and counted as rejected", "count", len(all), "first", all[0].Document, "reason", all[0].Reason)
}

// commit moves position and counters in the journal, and drops what was frozen:
// it is in the database.
func (s *SeriesStore) commit(ctx context.Context, o store.Outcome) error {
	s.committing.Lock()
	defer s.committing.Unlock()
	// Whatever happened at the server must be noted, also when the caller is gone.
	if err := s.journal.Finish(context.WithoutCancel(ctx), o); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = nil
	most := min(max(windowPoints/max(len(s.heads), 1), 8), 1024)
	for _, h := range s.leaving {
		h.leaving = false
		if h.frozen.N == 0 {
			continue
		}
		s.learnt -= h.arrived(most)
		h.frozen.Drop(&s.pool)
		s.forget(h)
	}
	clear(s.leaving)
	s.leaving = s.leaving[:0]
	s.frozen = newSums()
	s.leavingPayloads = 0
	s.unflushed.Store(s.pool.Bytes() + s.payloads)
	return nil
}

// forget drops what belonged to readings that left h.
func (s *SeriesStore) forget(h *head) {
	if h.live.N == 0 {
		h.payloads, h.unregistered = nil, nil
		return
	}
	for ts := range h.payloads {
		if _, _, there := h.live.Search(ts); !there {
			delete(h.payloads, ts)
		}
	}
	for ts := range h.unregistered {
		if _, _, there := h.live.Search(ts); !there {
			delete(h.unregistered, ts)
		}
	}
}
