package ingest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/ingest/buffer"
	"tidegate/store"
)

// Flush makes durable everything that has been applied and trims the log. It
// may be called at any time, also beside the writer.
func (p *Pipeline) Flush(ctx context.Context) error {
	p.flushing.Lock()
	defer p.flushing.Unlock()
	began := p.o.Now()
	through, err := p.o.Series.Flush(ctx, func(uint64) error {
		// The frozen batch may still be on its way into the state: its verdicts
		// must be durable before its readings are, because a replay asks the
		// state what became of each.
		p.applied.Lock()
		p.applied.Unlock() //nolint:staticcheck // the wait is the purpose
		return p.o.State.Flush(ctx, p.o.Series.Applied())
	})
	if err != nil {
		return fmt.Errorf("flush readings: %w", err)
	}
	if err := p.o.State.Flush(ctx, through); err != nil {
		return fmt.Errorf("flush state: %w", err)
	}
	rules, err := p.flushRules(ctx, through)
	if err != nil {
		return fmt.Errorf("flush alarms: %w", err)
	}
	if p.holds == 0 {
		if err := p.o.Log.Trim(min(through, p.o.State.Applied(), rules)); err != nil {
			return fmt.Errorf("trim the log: %w", err)
		}
	}
	p.metrics.flush.Observe(p.o.Now().Sub(began).Seconds())
	return nil
}

// turnPatience bounds how long Between waits for a store that takes nothing.
const turnPatience = 10 * time.Second

// Between calls change between two batches: no reading is judged meanwhile, and
// everything judged before is durable with its verdict. So a change of the
// catalogue never makes the log's replay judge a reading otherwise than the
// first time. While the store takes no readings the error is
// store.ErrUnavailable, and change is not called.
func (p *Pipeline) Between(ctx context.Context, change func() error) error {
	wait, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-wait.Done():
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: the store does not take readings, and what is judged must be stored before the catalogue changes: %s", store.ErrUnavailable, p.Trouble())
	}
	switch err := p.Flush(wait); {
	case err != nil && wait.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	case err != nil:
		return err
	}
	return change()
}

// HoldLog keeps the log from being trimmed until release is called, so that a
// backup fits together.
func (p *Pipeline) HoldLog() (release func(), err error) {
	p.flushing.Lock()
	defer p.flushing.Unlock()
	p.holds++
	return sync.OnceFunc(func() {
		p.flushing.Lock()
		defer p.flushing.Unlock()
		p.holds--
	}), nil
}

// flushShare is the part of the time that flushes may take before they come less
// often: one in 32. What a database spends follows the series of a flush, not
// its readings, so that waiting longer saves as much as it gathers.
const flushShare = 32

// untilFlush answers how long to wait after a flush that took so long.
func (o *Options) untilFlush(took time.Duration) time.Duration {
	longest := max(o.FlushInterval, 100*time.Millisecond)
	if o.FlushSoonest == 0 {
		return longest
	}
	return min(max(flushShare*took, o.FlushSoonest), longest)
}

// flushLoop flushes when enough waits in memory, when the log is half full, or
// when something has waited long enough.
func (p *Pipeline) flushLoop(ctx context.Context) {
	timer := time.NewTimer(p.o.untilFlush(0))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-p.wake:
		}
		began := time.Now()
		for wait := firstWait; ; wait = min(2*wait, longestWait) {
			err := p.Flush(ctx)
			p.roomMu.Lock()
			p.room.Broadcast()
			p.roomMu.Unlock()
			if err == nil {
				p.trouble(&p.flushFails, nil)
				break
			}
			if ctx.Err() != nil {
				return
			}
			p.trouble(&p.flushFails, err)
			if !sleep(ctx, jitter(wait)) {
				return
			}
		}
		timer.Reset(p.o.untilFlush(time.Since(began)))
	}
}

// waitForRoom asks for a flush when it is due, and holds the writer while
// twice that much waits: memory is bounded even when the disk is slower than
// the devices. Meanwhile the log takes the backlog when the store is failing.
func (w *writer) waitForRoom(ctx context.Context, reader *buffer.Reader) error {
	p := w.p
	unflushed := p.o.Series.Unflushed()
	if unflushed < p.o.FlushSize && p.o.Log.Depth().Bytes < p.o.LogSize/2 {
		return nil
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
	if unflushed < 2*p.o.FlushSize {
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		p.roomMu.Lock()
		p.room.Broadcast()
		p.roomMu.Unlock()
	})
	defer stop()
	p.roomMu.Lock()
	defer p.roomMu.Unlock()
	for ctx.Err() == nil && p.o.Series.Unflushed() >= 2*p.o.FlushSize {
		if p.Trouble() != "" {
			reader.SetAway(true)
			w.ahead.start(ctx)
		}
		p.room.Wait()
	}
	reader.SetAway(false)
	w.ahead.stop()
	return ctx.Err()
}

// trouble notes in at, and logs once, that a step fails, or that it works
// again.
func (p *Pipeline) trouble(at *atomic.Pointer[string], err error) {
	was := at.Load()
	switch {
	case err != nil:
		s := err.Error()
		at.Store(&s)
		if was == nil {
			p.log.Error("the store does not take readings; the log keeps them", "error", err)
		}
	case was != nil:
		at.Store(nil)
		p.log.Info("the store takes readings again")
	}
}
