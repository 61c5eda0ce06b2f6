package mongo

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// TestLanesRunAtOnce: as many commands are under way as there are writers, and
// the first error ends the others.
func TestLanesRunAtOnce(t *testing.T) {
	const lanes = 7
	var all sync.WaitGroup
	all.Add(lanes)
	met := make(chan struct{})
	go func() { all.Wait(); close(met) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	wrong := errors.New("wrong")
	err := inAllLanes(ctx, lanes, func(ctx context.Context, lane int) error {
		all.Done()
		select {
		case <-met:
		case <-ctx.Done():
			return errors.New("the lanes wait for each other")
		}
		if lane == 3 {
			return wrong
		}
		<-ctx.Done()
		return ctx.Err()
	})
	if err != wrong {
		t.Errorf("the first error is %v, not the one that ended the others: %v", wrong, err)
	}
	if err := inAllLanes(context.Background(), lanes, func(context.Context, int) error { return nil }); err != nil {
		t.Errorf("nothing went wrong: %v", err)
	}
}
