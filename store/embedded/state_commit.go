package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// droppedAtOnce bounds the letters that one commit drops, and so its memory
// and its time; the next one goes on.
const droppedAtOnce = 20_000

// commitTx is one commit: the bookkeeping that goes with the data.
type commitTx struct {
	tx       *bbolt.Tx
	messages *bbolt.Bucket
	letters  *bbolt.Bucket
	meta     stateMeta
	byAge    int64 // letters dropped
	bySize   int64
}

// commit makes durable what waits and what extra, when not nil, does besides.
// When it fails nothing has changed. mu is held.
func (s *State) commit(extra func(*commitTx) error) error {
	begin := time.Now()
	seen := s.takeSeen()
	events, last := s.life.take()
	var kept map[uint32]int
	var c *commitTx
	err := update(s.db, func(tx *bbolt.Tx) error {
		c = &commitTx{tx: tx, messages: tx.Bucket(messageBucket), letters: tx.Bucket(letterBucket), meta: s.meta.clone()}
		if err := c.wave(s.wait, s.forgettable()); err != nil {
			return err
		}
		for uid, p := range seen {
			if err := putPresence(tx, uid, p); err != nil {
				return err
			}
		}
		c.meta.Lifecycle = last
		var err error
		if kept, err = c.lifecycles(events, s.life.kept, s.o.Now()); err != nil {
			return err
		}
		if extra != nil {
			if err := extra(c); err != nil {
				return err
			}
		}
		if err := c.drop(s.o, s.o.Now()); err != nil {
			return err
		}
		return writeStateMeta(tx, c.meta)
	})
	if err != nil {
		s.returnSeen(seen)
		if errors.Is(err, errFsync) {
			s.broken = err
		}
		s.life.giveBack(s, events)
		s.metrics.failures.Inc()
		return fmt.Errorf("write dead letters: %w", err)
	}
	s.meta = c.meta
	s.life.written(kept)
	s.wait = newWave(c.meta.Applied)
	s.cache = verdictCache{}
	s.applied.Store(c.meta.Applied)
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.metrics.committed(c, time.Since(begin))
	if n := c.byAge + c.bySize; n > 0 {
		s.o.Logger.Info("dead letters dropped by their limits", "by_age", c.byAge, "by_size", c.bySize)
	}
	return nil
}

// wave writes w.
func (c *commitTx) wave(w *wave, forget uint64) error {
	for i := range w.rejections {
		if err := c.putRejection(&w.rejections[i], w.changed); err != nil {
			return err
		}
	}
	for id, ch := range w.changed {
		if w.index[id] != nil {
			continue // written as it is now
		}
		if err := c.changeLetter(id, ch); err != nil {
			return err
		}
	}
	for r, n := range w.reasons {
		c.meta.Reasons[r] += n
		c.meta.Letters += n
	}
	if err := addCounts(c.tx.Bucket(hourBucket), w.hours); err != nil {
		return err
	}
	c.meta.Total += w.total
	c.meta.Applied = w.through
	if err := putVerdicts(c.tx, w.verdicts, forget); err != nil {
		return err
	}
	return forgetVerdicts(c.tx, forget)
}

// putRejection writes a message with those of its letters that no replay has
// brought back while they waited.
func (c *commitTx) putRejection(r *store.Rejection, changed map[store.LetterID]change) error {
	o := overlay{changed: changed}
	n := 0
	for _, l := range r.Letters {
		id := store.LetterID{Seq: r.Seq, Index: l.Index}
		l, ok := o.apply(id, l)
		if !ok {
			continue
		}
		n++
		if err := c.put(c.letters, letterKey(id), encodeLetter(l)); err != nil {
			return err
		}
	}
	if n == 0 {
		return nil
	}
	if err := c.put(c.messages, beKey(r.Seq), encodeMessage(r)); err != nil {
		return err
	}
	return c.widenSpan(hourOf(r.ReceivedAt), r.Seq)
}

// put and del keep count of the bytes.
func (c *commitTx) put(b *bbolt.Bucket, k, v []byte) error {
	if old := b.Get(k); old != nil {
		c.meta.Bytes -= int64(len(k) + len(old))
	}
	c.meta.Bytes += int64(len(k) + len(v))
	return b.Put(k, v)
}

func (c *commitTx) del(b *bbolt.Bucket, k []byte) error {
	old := b.Get(k)
	if old == nil {
		return nil
	}
	c.meta.Bytes -= int64(len(k) + len(old))
	return b.Delete(k)
}

func (c *commitTx) changeLetter(id store.LetterID, ch change) error {
	if ch.gone {
		return c.removeLetter(id)
	}
	old := c.letters.Get(letterKey(id))
	if old == nil {
		return nil
	}
	l, err := decodeLetter(id, old)
	if err != nil {
		return err
	}
	l.Reason, l.Detail = ch.reason, ch.detail
	return c.put(c.letters, letterKey(id), encodeLetter(l))
}

// removeLetter removes a letter, and its message with the last one. The counts
// by reason are the caller's.
func (c *commitTx) removeLetter(id store.LetterID) error {
	if err := c.del(c.letters, letterKey(id)); err != nil {
		return err
	}
	prefix := beKey(id.Seq)
	if k, _ := c.letters.Cursor().Seek(prefix); bytes.HasPrefix(k, prefix) {
		return nil
	}
	return c.del(c.messages, prefix)
}

// deleteLetter removes a letter if it is there, and counts it out.
func (c *commitTx) deleteLetter(id store.LetterID) (bool, error) {
	b := c.letters.Get(letterKey(id))
	if b == nil {
		return false, nil
	}
	l, err := decodeLetter(id, b)
	if err != nil {
		return false, err
	}
	c.meta.Reasons[l.Reason]--
	c.meta.Letters--
	return true, c.removeLetter(id)
}

// drop removes the oldest letters until the limits hold.
func (c *commitTx) drop(o StateOptions, now time.Time) error {
	for c.byAge+c.bySize < droppedAtOnce {
		k, v := c.messages.Cursor().First()
		if k == nil {
			break
		}
		m, err := decodeMessage(k, v)
		if err != nil {
			return err
		}
		old := o.KeepFor > 0 && m.receivedAt < now.Add(-o.KeepFor).UnixMilli()
		if !old && (o.MaxBytes <= 0 || c.meta.Bytes <= o.MaxBytes) {
			break
		}
		n, err := c.dropMessage(m.seq)
		if err != nil {
			return err
		}
		if old {
			c.byAge += n
		} else {
			c.bySize += n
		}
	}
	if c.byAge+c.bySize == 0 {
		return nil
	}
	return c.trimSpans()
}

// dropMessage removes a message and all its letters.
func (c *commitTx) dropMessage(seq uint64) (n int64, err error) {
	prefix := beKey(seq)
	var ids []store.LetterID
	cur := c.letters.Cursor()
	for k, _ := cur.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = cur.Next() {
		ids = append(ids, parseLetterKey(k))
	}
	for _, id := range ids {
		if _, err := c.deleteLetter(id); err != nil {
			return 0, err
		}
	}
	return int64(len(ids)), c.del(c.messages, prefix)
}

// widenSpan notes that the message at seq was received in hour.
func (c *commitTx) widenSpan(hour int64, seq uint64) error {
	b, k := c.tx.Bucket(spanBucket), hourKey(hour)
	first, last := seq, seq
	if v := b.Get(k); len(v) == 16 {
		first, last = min(first, binary.BigEndian.Uint64(v)), max(last, binary.BigEndian.Uint64(v[8:]))
	}
	return b.Put(k, append(beKey(first), beKey(last)...))
}

// trimSpans forgets the oldest hours of which no message is left.
func (c *commitTx) trimSpans() error {
	oldest := uint64(1<<64 - 1)
	if k, _ := c.messages.Cursor().First(); len(k) == 8 {
		oldest = binary.BigEndian.Uint64(k)
	}
	b := c.tx.Bucket(spanBucket)
	for {
		k, v := b.Cursor().First()
		if len(v) != 16 || binary.BigEndian.Uint64(v[8:]) >= oldest {
			return nil
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
}
