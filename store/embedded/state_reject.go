package embedded

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// claim is a letter that a replay is bringing back: what its count hangs on,
// which outlives the letter.
type claim struct {
	seq   uint64
	index uint32
	hour  int64
	uid   uint32
}

// Claim implements store.State.
func (s *State) Claim(ctx context.Context, seq uint64, index uint32, id store.LetterID) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return false, err
	}
	if seq <= s.wait.through {
		rejected := s.rejected(seq, index)
		return !rejected, s.broken
	}
	if c, ok := s.claims[id]; ok && c.seq == seq && c.index == index {
		return true, nil
	} else if !ok {
		var c claim
		var there bool
		err := view(s.db, func(tx *bbolt.Tx) error {
			m, _, ok, err := s.lookup(tx, id)
			c, there = claim{seq, index, hourOf(m.receivedAt), m.uid}, ok
			return err
		})
		if err != nil {
			return false, fmt.Errorf("look for dead letter %s: %w", id, err)
		}
		if there {
			s.claims[id] = c
			return true, nil
		}
	}
	s.voids = append(s.voids, verdict{seq, index, 1})
	return false, nil
}

// lookup answers a letter as it is with what waits.
func (s *State) lookup(tx *bbolt.Tx, id store.LetterID) (message, store.Letter, bool, error) {
	o := overlay{rejections: s.wait.rejections, changed: s.wait.changed}
	return o.lookup(tx, id)
}

// Reject implements store.State. It copies what it keeps.
func (s *State) Reject(ctx context.Context, through uint64, r []store.Rejection, settlements []store.Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if s.meta.Log == (store.LogID{}) {
		return fileError(store.ErrInvalid, s.db.Path(), "follows no log yet")
	}
	w := s.wait
	if through <= w.through {
		return nil
	}
	for i := range r {
		if r[i].Seq > through {
			return store.Invalid("rejection", "seq", "%d is behind %d, through which all is told", r[i].Seq, through)
		}
	}
	if w.full() {
		if err := s.commit(nil); err != nil {
			return err
		}
		w = s.wait
	}
	known, told := w.through, len(w.verdicts)
	if err := s.settle(w, known, through, settlements); err != nil {
		return err
	}
	for i := range r {
		if r[i].Seq <= known || len(r[i].Letters) == 0 {
			continue
		}
		for _, l := range r[i].Letters {
			w.verdicts = append(w.verdicts, verdict{r[i].Seq, l.Index, 1})
		}
		public := r[i]
		public.Seq += s.meta.Base
		w.add(public)
	}
	s.voids = s.takeVoids(w, through)
	joinVerdicts(w, told)
	w.through = through
	if !w.empty() && s.timer == nil {
		s.timer = time.AfterFunc(s.o.FlushAfter, s.flushLate)
	}
	return nil
}

// takeVoids moves the refused claims up to through into w and answers the rest.
func (s *State) takeVoids(w *wave, through uint64) (rest []verdict) {
	for _, v := range s.voids {
		if v.seq <= through {
			w.verdicts = append(w.verdicts, v)
		} else {
			rest = append(rest, v)
		}
	}
	return rest
}

// settle looks every letter up before it changes anything, so that an error
// leaves w as it was.
func (s *State) settle(w *wave, known, through uint64, settlements []store.Settlement) error {
	type found struct {
		store.Settlement
		letter store.Letter
		there  bool
		claim  claim
		ours   bool
	}
	var all []found
	err := view(s.db, func(tx *bbolt.Tx) error {
		for _, st := range settlements {
			if st.Seq <= known {
				continue
			}
			if st.Seq > through {
				return store.Invalid("settlement", "seq", "%d is behind %d, through which all is told", st.Seq, through)
			}
			_, l, there, err := s.lookup(tx, st.ID)
			if err != nil {
				return fmt.Errorf("look for dead letter %s: %w", st.ID, err)
			}
			c, claimed := s.claims[st.ID]
			all = append(all, found{st, l, there, c, claimed && c.seq == st.Seq && c.index == st.Index})
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range all {
		if !f.ours {
			s.metrics.unclaimed.Inc()
			s.o.Logger.Error("a replay was settled that had not claimed its dead letter; its count stays",
				"dead_letter", f.ID.String(), "seq", f.Seq)
			w.verdicts = append(w.verdicts, verdict{f.Seq, f.Index, 1})
			continue
		}
		delete(s.claims, f.ID)
		if f.Again != "" {
			w.verdicts = append(w.verdicts, verdict{f.Seq, f.Index, 1})
		} else {
			w.count(f.claim.hour, f.claim.uid, -1)
		}
		if f.there {
			w.change(f.ID, f.letter.Reason, change{gone: f.Again == "", reason: f.Again, detail: f.Detail})
		}
	}
	return nil
}

// flushLate makes durable what nobody asked for.
func (s *State) flushLate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = nil
	if s.usable() != nil || s.wait.empty() {
		return
	}
	if err := s.commit(nil); err != nil {
		s.o.Logger.Warn("dead letters are not on disk yet", "path", s.db.Path(), "error", err)
		s.timer = time.AfterFunc(s.o.FlushAfter, s.flushLate)
	}
}

// Flush implements store.State.
func (s *State) Flush(ctx context.Context, seriesApplied uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	s.series = max(s.series, seriesApplied)
	if !s.dirty() {
		return nil
	}
	return s.commit(nil)
}

// dirty reports whether the file lacks anything.
func (s *State) dirty() bool {
	if !s.wait.empty() || s.wait.through > s.meta.Applied || s.life.wait() {
		return true
	}
	s.presenceMu.Lock()
	defer s.presenceMu.Unlock()
	return len(s.seen) > 0
}
