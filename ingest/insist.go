package ingest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"tidegate/ingest/buffer"
)

// A store that fails is asked again after firstWait, then after twice as long,
// up to longestWait; each wait is shortened by chance by up to a half, so that
// many boxes do not come back to one database in step.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 5 * time.Second
)

func jitter(d time.Duration) time.Duration { return d - rand.N(d/2+1) }

// insist repeats step until it succeeds or ctx ends. Meanwhile the log takes
// the backlog, and live values are shown ahead of the store.
func (w *writer) insist(ctx context.Context, reader *buffer.Reader, step func() error) error {
	p := w.p
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := step()
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.trouble(&p.appendFails, err)
		reader.SetAway(true)
		w.ahead.start(ctx)
		if !sleep(ctx, jitter(wait)) {
			return ctx.Err()
		}
	}
	p.trouble(&p.appendFails, nil)
	reader.SetAway(false)
	w.ahead.stop()
	return nil
}

// recover lets the store finish what a crash left half done there, and begins
// behind it.
func (w *writer) recover(ctx context.Context) error {
	p := w.p
	reader, err := p.o.Log.Reader(p.cursor.Load())
	if err != nil {
		return err
	}
	defer reader.Close()
	return w.insist(ctx, reader, func() error {
		commit, err := p.o.Series.Recover(ctx)
		if err != nil {
			return fmt.Errorf("finish what was under way: %w", err)
		}
		if commit == nil {
			return nil
		}
		p.applied.Lock()
		defer p.applied.Unlock()
		if err := commit(); err != nil {
			return fmt.Errorf("finish what was under way: %w", err)
		}
		p.cursor.Store(max(p.cursor.Load(), p.o.Series.Applied()))
		return nil
	})
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
