package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegate/ingest/buffer"
	"tidegate/ingest/live"
	"tidegate/store"
)

// sliceItems is how many readings are applied at once: enough to spread the
// cost of a batch, little enough that the ledger's lock is held for moments.
const sliceItems = 8192

// writer is the state of the one goroutine that applies the log.
type writer struct {
	p      *Pipeline
	batch  store.Batch
	place  []place // beside batch.Items: whose reading it is
	msgs   []judged
	events []live.Event
	rules  rulesBatch
	ahead  ahead
}

type place struct {
	msg   int32 // index into msgs
	index uint32
	port  *Port
}

func (p *Pipeline) writeLoop(ctx context.Context) error {
	w := &writer{p: p, ahead: ahead{p: p}}
	defer w.ahead.stop()
	if err := p.evaluateAgain(ctx); err != nil {
		return unlessEnded(ctx, err)
	}
	if err := w.recover(ctx); err != nil {
		return unlessEnded(ctx, err)
	}
	reader, err := p.o.Log.Reader(p.cursor.Load())
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		b, err := reader.Next(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, buffer.ErrClosed) {
				return nil
			}
			return fmt.Errorf("read the log: %w", err)
		}
		for i := 0; i < len(b.Items); {
			n, err := w.step(ctx, reader, b.Items[i:])
			if err != nil {
				return unlessEnded(ctx, err)
			}
			i += n
			reader.Release(w.batch.Through)
			if err := w.waitForRoom(ctx, reader); err != nil {
				return nil
			}
		}
	}
}

func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// step judges and applies a batch, and answers how many records it took.
func (w *writer) step(ctx context.Context, reader *buffer.Reader, items []buffer.Item) (int, error) {
	select {
	case w.p.turn <- struct{}{}:
		defer func() { <-w.p.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	n, err := w.gather(ctx, items)
	if err != nil {
		return 0, err
	}
	w.evaluate()
	return n, w.apply(ctx, reader)
}

// Discard takes what is acked and throws it away, until ctx ends: a measure of
// what the acks alone cost. It must not run beside Run.
func (p *Pipeline) Discard(ctx context.Context) error {
	reader, err := p.o.Log.Reader(p.cursor.Load())
	if err != nil {
		return err
	}
	defer reader.Close()
	// The log is trimmed as it would be: a file that only grows would cost more
	// than a store.
	for trimmed := p.o.Now(); ; {
		b, err := reader.Next(ctx)
		if err != nil {
			return nil
		}
		for i := range b.Items {
			if m, ok := b.Items[i].Entry.(*Message); ok {
				putDecoded(m.decoded)
			}
		}
		reader.Release(b.Last)
		if now := p.o.Now(); now.Sub(trimmed) > time.Second {
			if err := p.o.Log.Trim(b.Last); err != nil {
				return err
			}
			trimmed = now
		}
	}
}

// gather judges records until sliceItems readings are together, and answers
// how many records it took.
//
// A replay of dead letters is a batch of its own: whether a letter is still to
// be had depends on everything before it.
func (w *writer) gather(ctx context.Context, items []buffer.Item) (int, error) {
	w.batch.Items = w.batch.Items[:0]
	w.place = w.place[:0]
	clear(w.msgs)
	w.msgs = w.msgs[:0]
	for i := range items {
		m, err := w.message(&items[i])
		if err != nil {
			return 0, err
		}
		if m.replay != nil && i > 0 {
			putDecoded(m.decoded) // it is decoded again as the first of the next batch
			m.decoded = nil
			return i, nil
		}
		if err := w.judge(ctx, m, items[i].Seq); err != nil {
			return 0, err
		}
		w.batch.Through = items[i].Seq
		if len(w.batch.Items) >= sliceItems || m.replay != nil {
			return i + 1, nil
		}
	}
	return len(items), nil
}

// message answers the message of a log item, decoded: the one that came through
// memory, or one read back from disk.
func (w *writer) message(it *buffer.Item) (*Message, error) {
	m, ok := it.Entry.(*Message)
	if !ok {
		var err error
		if m, err = parseRecord(it.Record); err != nil {
			return nil, fmt.Errorf("log record %d: %w", it.Seq, err)
		}
		m.seq, m.log = it.Seq, store.LogID(w.p.o.Log.ID())
	}
	if m.decoded == nil {
		m.decoded = getDecoded()
		decodeMessage(m, m.decoded)
	}
	return m, nil
}

// judge validates the readings of m and puts the accepted ones into the batch.
func (w *writer) judge(ctx context.Context, m *Message, seq uint64) error {
	at := int32(len(w.msgs))
	w.msgs = append(w.msgs, judged{m: m, seq: seq})
	j := &w.msgs[at]
	// Of what the state has made durable the first verdict stands, whatever
	// the catalogue says by now.
	known := seq <= w.p.o.State.Applied()
	d := w.p.o.Registry.ByUID(m.UID)
	if m.replay != nil {
		return w.judgeReplay(ctx, j, at, d, known)
	}
	if m.decoded.reason != "" {
		w.reject(j, 0, "", m.decoded.reason, m.decoded.detail)
		return nil
	}
	hour := hourOf(m.ReceivedAt)
	for i := range m.decoded.items {
		w.judgeItem(j, at, d, &m.decoded.items[i], uint32(i), hour, known)
	}
	return nil
}

func (w *writer) judgeItem(j *judged, at int32, d *Device, it *item, index uint32, hour int64, known bool) {
	if known && w.p.o.State.Rejected(j.seq, index) {
		_, _, v := validate(d, j.m, it)
		if v.reason == "" {
			v.reason, v.detail = store.ReasonConflict, "rejected before the restart"
		}
		w.reject(j, index, it.portText(), v.reason, v.detail)
		return
	}
	port, sample, v := validate(d, j.m, it)
	var series store.Series
	switch {
	case v.reason == "":
		series = store.Series{UID: d.UID, Port: port.Number}
	case known && !it.rejected() && it.portName == "":
		// Accepted before the restart, and its port was taken away since.
		series, sample = it.unregistered(j.m, d)
	default:
		w.reject(j, index, it.portText(), v.reason, v.detail)
		return
	}
	out := store.Item{
		Series: series, Sample: sample, Seq: j.seq, Hour: hour,
		Unregistered: j.m.replay != nil && j.m.replay.unregistered,
	}
	if port != nil {
		out.Calibration = port.CalibrationAt(sample.TS)
	}
	if w.p.o.RawPayload {
		out.Payload = j.text()
	}
	w.batch.Items = append(w.batch.Items, out)
	w.place = append(w.place, place{msg: at, index: index, port: port})
}

// unregistered answers what to store of a reading whose port is no more.
func (it *item) unregistered(m *Message, d *Device) (store.Series, store.Sample) {
	s := store.Sample{TS: it.ts, Raw: it.value, Quality: it.quality, IngestTS: m.ReceivedAt}
	if m.ClockUntrusted {
		s.Flags |= store.FlagClockUnsynced
	}
	zoned := false
	if it.zoneless() != "" && d != nil && d.Zone != nil {
		s.TS, zoned = inZone(it.zoneless(), d.Zone)
	}
	if !it.hasTS || (it.zoneless() != "" && !zoned) {
		s.TS = m.ReceivedAt
		s.Flags |= store.FlagServerTS
	}
	return store.Series{UID: m.UID, Port: it.port}, s
}

func (w *writer) reject(j *judged, index uint32, port string, reason store.Reason, detail string) {
	if j.m.replay != nil {
		id := j.m.replay.letter(index)
		j.settled = append(j.settled, store.Settlement{Seq: j.seq, Index: index, ID: id, Again: reason, Detail: detail})
	}
	j.letters = append(j.letters, store.Letter{Index: index, Reason: reason, Detail: detail, Port: port})
}

// apply stores the batch, and then tells the state what was rejected.
func (w *writer) apply(ctx context.Context, reader *buffer.Reader) error {
	p := w.p
	began := p.o.Now()
	err := w.insist(ctx, reader, func() error {
		// What has to be asked is asked before the ledger's lock is taken.
		if asker, ok := p.o.Series.(store.Preparer); ok {
			if err := asker.Prepare(ctx, &w.batch); err != nil {
				return err
			}
		}
		return w.applyOnce(ctx)
	})
	if err != nil {
		return err
	}
	p.metrics.append.Observe(p.o.Now().Sub(began).Seconds())
	w.tell()
	return nil
}

func (w *writer) applyOnce(ctx context.Context) error {
	p := w.p
	p.applied.Lock()
	defer p.applied.Unlock()
	if err := p.o.Series.Append(ctx, &w.batch); err != nil {
		return fmt.Errorf("append readings: %w", err)
	}
	rejections, settlements := w.settle()
	if err := p.o.State.Reject(ctx, w.batch.Through, rejections, settlements); err != nil {
		return fmt.Errorf("keep dead letters: %w", err)
	}
	p.cursor.Store(w.batch.Through)
	return nil
}

// settle turns the store's verdicts into letters and sums, and collects what
// the state has to keep. Repeating it after an error gives the same: conflicts
// are added once.
func (w *writer) settle() ([]store.Rejection, []store.Settlement) {
	for i := range w.msgs {
		w.msgs[i].stored, w.msgs[i].dups = 0, 0
	}
	for i := range w.batch.Items {
		it, pl := &w.batch.Items[i], &w.place[i]
		j := &w.msgs[pl.msg]
		switch it.Verdict {
		case store.VerdictStored:
			j.stored++
		case store.VerdictDuplicate:
			j.dups++
		case store.VerdictConflict:
			if !j.hasLetter(pl.index) {
				w.reject(j, pl.index, itoa(it.Series.Port), store.ReasonConflict, conflictDetail(it.Series.Port, it.Sample))
			}
			continue
		}
		if j.m.replay != nil && !j.isSettled(pl.index) {
			j.settled = append(j.settled, store.Settlement{Seq: j.seq, Index: pl.index, ID: j.m.replay.letter(pl.index)})
		}
	}
	var rejections []store.Rejection
	var settlements []store.Settlement
	for i := range w.msgs {
		j := &w.msgs[i]
		settlements = append(settlements, j.settled...)
		if len(j.letters) > 0 && j.m.replay == nil {
			rejections = append(rejections, j.rejection())
		}
	}
	return rejections, settlements
}
