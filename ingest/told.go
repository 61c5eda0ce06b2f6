package ingest

import (
	"errors"
	"fmt"
)

// told is what a run before a crash has told the state of the readings of one
// record that waits for its verdicts again: the state counts them already.
type told struct {
	seq  uint64
	hour int64
	uid  uint32
	n    int64 // readings; below 0: so many were taken back, and are pending
}

// toldBefore is all of it: the state may be ahead of the store of readings by
// what was rejected since the last flush. Until the writer is there again, the
// ledger leaves it out of what is pending, so that it adds up also while a
// database is away from the start on.
//
// It is looked for in the log when somebody asks, and forgotten once the writer
// has passed it. Pipeline.applied guards it.
type toldBefore struct {
	through uint64 // what the state had applied at the start
	known   bool
	records []told
}

// behind calls fn with what was told of records behind the writer's cursor.
func (t *toldBefore) behind(p *Pipeline, fn func(hour int64, uid uint32, n int64)) error {
	cursor := p.cursor.Load()
	if t.through <= cursor {
		t.records = nil
		return nil
	}
	if !t.known {
		if err := t.find(p, cursor); err != nil {
			return fmt.Errorf("find what was counted before the restart: %w", err)
		}
	}
	for i := range t.records {
		if r := &t.records[i]; r.seq > cursor {
			fn(r.hour, r.uid, r.n)
		}
	}
	return nil
}

// find reads the records that the state has applied and the store has not: at
// most what waits in memory for a flush.
func (t *toldBefore) find(p *Pipeline, cursor uint64) error {
	d := getDecoded()
	defer putDecoded(d)
	t.records = nil
	err := p.o.Log.Scan(cursor, func(seq uint64, record []byte) error {
		if seq > t.through {
			return errPassed
		}
		m, err := parseRecord(record)
		if err != nil {
			return fmt.Errorf("log record %d: %w", seq, err)
		}
		r := told{seq: seq, hour: hourOf(m.ReceivedAt), uid: m.UID}
		if m.replay != nil {
			// What is not rejected was taken back from the letter's hour.
			for _, id := range m.replay.letters {
				if !p.o.State.Rejected(seq, id.Index) {
					r.n--
				}
			}
			if m.replay.unregistered {
				r.uid = 0
			}
		} else {
			decodeMessage(m, d)
			for i := range d.count() {
				if p.o.State.Rejected(seq, uint32(i)) {
					r.n++
				}
			}
		}
		if r.n != 0 {
			t.records = append(t.records, r)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errPassed) {
		return err
	}
	t.known = true
	return nil
}

// errPassed ends a scan of the log.
var errPassed = errors.New("passed")
