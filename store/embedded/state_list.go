package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"slices"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// Bounds of one transaction: the file cannot reuse a page while it is open.
const (
	lettersPerRead   = 20_000 // looked at
	lettersPerDelete = 5_000
)

// read calls fn with the file and what waits, both of one moment. fn must not
// take long: at most lettersPerRead letters.
func (s *State) read(fn func(*bbolt.Tx, overlay) error) error {
	return readMoment(s, func() overlay { return s.wait.overlay() }, fn)
}

// readMoment calls fn with the file and what memory answers, both of one moment.
// memory must be quick: nothing is committed meanwhile.
func readMoment[T any](s *State, memory func() T, fn func(*bbolt.Tx, T) error) error {
	s.mu.Lock()
	locked := true
	defer func() {
		if locked {
			s.mu.Unlock()
		}
	}()
	if err := s.usable(); err != nil {
		return err
	}
	return view(s.db, func(tx *bbolt.Tx) error {
		m := memory()
		s.mu.Unlock()
		locked = false
		return fn(tx, m)
	})
}

// letterScan walks letters from new to old.
type letterScan struct {
	f     store.LetterFilter
	next  store.LetterID // go on below it; valid when begun
	begun bool
	out   []store.DeadLetter
	n     int  // chosen
	count bool // and nothing else: out stays empty
	done  bool
}

// ListDeadLetters implements store.DeadLetters. It costs a step for each letter
// that the filter of the times leaves, until the page is full.
func (s *State) ListDeadLetters(ctx context.Context, f store.LetterFilter) ([]store.DeadLetter, error) {
	if f.Limit < 1 {
		return nil, store.Invalid("dead letter", "limit", "must be at least 1")
	}
	scan := letterScan{f: f}
	if f.After != nil {
		scan.next, scan.begun = *f.After, true
	}
	for !scan.done {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		err := s.read(func(tx *bbolt.Tx, o overlay) error {
			scan.waiting(o)
			return scan.file(tx, o)
		})
		if err != nil {
			return nil, err
		}
	}
	return scan.out, nil
}

// waiting takes what is newer than the file.
func (s *letterScan) waiting(o overlay) {
	for i := len(o.rejections) - 1; i >= 0 && !s.done; i-- {
		r := &o.rejections[i]
		m := messageOf(r)
		if !s.chooses(m) {
			continue
		}
		for j := len(r.Letters) - 1; j >= 0 && !s.done; j-- {
			id := store.LetterID{Seq: r.Seq, Index: r.Letters[j].Index}
			if s.begun && !letterBefore(id, s.next) {
				continue
			}
			if l, ok := o.apply(id, r.Letters[j]); ok {
				s.take(m, l)
			}
		}
	}
}

// letterBefore reports whether a is older than b.
func letterBefore(a, b store.LetterID) bool {
	return a.Seq < b.Seq || a.Seq == b.Seq && a.Index < b.Index
}

func (s *letterScan) chooses(m message) bool {
	f := &s.f
	if f.Devices != nil {
		if _, ok := slices.BinarySearch(f.Devices, string(m.device)); !ok {
			return false
		}
	}
	return (f.OrgID == "" || f.OrgID == string(m.org)) && (f.DeviceID == "" || f.DeviceID == string(m.device)) &&
		m.receivedAt >= s.from() && (f.To == 0 || m.receivedAt < f.To)
}

// from answers the first time; 0 is open, as are the times before 1970.
func (s *letterScan) from() int64 {
	if s.f.From == 0 {
		return math.MinInt64
	}
	return s.f.From
}

func (s *letterScan) take(m message, l store.Letter) {
	if s.f.Reason != "" && l.Reason != s.f.Reason {
		return
	}
	if !s.count {
		s.out = append(s.out, m.letter(l, store.LetterPreviewBytes))
	}
	s.n++
	s.done = s.n >= s.f.Limit
}

// file takes from the file, for at most lettersPerRead steps.
func (s *letterScan) file(tx *bbolt.Tx, o overlay) error {
	if s.done {
		return nil
	}
	low, high := s.span(tx)
	cur := tx.Bucket(letterBucket).Cursor()
	start := store.LetterID{Seq: high, Index: math.MaxUint32}
	inclusive := true
	if s.begun && !letterBefore(start, s.next) {
		start, inclusive = s.next, false
	}
	k, v := cur.Seek(letterKey(start))
	switch {
	case k == nil:
		k, v = cur.Last()
	case !inclusive || letterBefore(start, parseLetterKey(k)):
		k, v = cur.Prev()
	}
	messages := tx.Bucket(messageBucket)
	var m message
	var chosen bool
	for steps := 0; k != nil; k, v = cur.Prev() {
		id := parseLetterKey(k)
		if id.Seq < low {
			break
		}
		if steps++; steps > lettersPerRead {
			return nil
		}
		if m.seq != id.Seq || steps == 1 {
			var err error
			key := beKey(id.Seq)
			if m, err = decodeMessage(key, messages.Get(key)); err != nil {
				return err
			}
			chosen = s.chooses(m)
		}
		s.next, s.begun = id, true
		if !chosen {
			continue
		}
		l, err := decodeLetter(id, v)
		if err != nil {
			return err
		}
		if l, ok := o.apply(id, l); ok {
			if s.take(m, l); s.done {
				return nil
			}
		}
	}
	s.done = true
	return nil
}

// span answers the first and last position that the times leave.
func (s *letterScan) span(tx *bbolt.Tx) (low, high uint64) {
	if s.f.From == 0 && s.f.To == 0 {
		return 0, math.MaxUint64
	}
	low, high = math.MaxUint64, 0
	cur := tx.Bucket(spanBucket).Cursor()
	for k, v := cur.Seek(hourKey(hourOf(s.from()))); len(k) == 8 && len(v) == 16; k, v = cur.Next() {
		if s.f.To != 0 && parseHourKey(k) > hourOf(s.f.To-1) {
			break
		}
		low, high = min(low, binary.BigEndian.Uint64(v)), max(high, binary.BigEndian.Uint64(v[8:]))
	}
	return low, high
}

// DeadLetter implements store.DeadLetters.
func (s *State) DeadLetter(ctx context.Context, id store.LetterID) (store.DeadLetter, []byte, error) {
	if err := ctx.Err(); err != nil {
		return store.DeadLetter{}, nil, err
	}
	var d store.DeadLetter
	var payload []byte
	err := s.read(func(tx *bbolt.Tx, o overlay) error {
		m, l, ok, err := o.lookup(tx, id)
		if err != nil {
			return err
		}
		if !ok {
			return store.NotFound("dead letter", id.String())
		}
		d, payload = m.letter(l, math.MaxInt), bytes.Clone(m.bytes)
		return nil
	})
	return d, payload, err
}

// DeleteDeadLetters implements store.DeadLetters. When it returns they are
// durably gone. On an error it answers how many are gone all the same.
func (s *State) DeleteDeadLetters(ctx context.Context, ids []store.LetterID) (int, error) {
	total := 0
	for chunk := range slices.Chunk(ids, lettersPerDelete) {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := s.deleteLetters(chunk)
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

func (s *State) deleteLetters(ids []store.LetterID) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return 0, err
	}
	err = s.commit(func(c *commitTx) error {
		for _, id := range ids {
			ok, err := c.deleteLetter(id)
			if err != nil {
				return err
			}
			if ok {
				n++
			}
		}
		return nil
	})
	return n, err
}

// CountDeadLetters implements store.DeadLetters.
func (s *State) CountDeadLetters(ctx context.Context) (map[store.Reason]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return nil, err
	}
	m := s.meta.clone()
	for r, n := range s.wait.reasons {
		m.Reasons[r] += n
	}
	return m.clone().Reasons, nil
}

// RejectedTotal implements store.State.
func (s *State) RejectedTotal(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return 0, err
	}
	n := s.meta.Total + s.wait.total
	if n < 0 {
		return 0, fileError(store.ErrInvalid, s.db.Path(), "counts %d rejected readings: its counts are damaged; %s", n, wayOut)
	}
	return uint64(n), nil
}

// RejectedHours implements store.State.
func (s *State) RejectedHours(ctx context.Context, fromHour, toHour int64, into store.HourCounts) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	sum := store.HourCounts{}
	err := view(s.db, func(tx *bbolt.Tx) error { return readCounts(tx.Bucket(hourBucket), fromHour, toHour, sum) })
	if err != nil {
		return err
	}
	for hour, c := range s.wait.hours {
		if hour >= fromHour && hour < toHour {
			sum.AddAll(store.HourCounts{hour: c})
		}
	}
	into.AddAll(sum)
	return nil
}
