package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/ingest"
	"tidegate/ingest/live"
	"tidegate/store"
)

// failing is a store that takes nothing while it is away.
type failing struct {
	store.SeriesStore
	away atomic.Bool
}

func (f *failing) Append(ctx context.Context, b *store.Batch) error {
	if f.away.Load() {
		return fmt.Errorf("append: %w", store.ErrUnavailable)
	}
	return f.SeriesStore.Append(ctx, b)
}

// TestStoreAway: while the store takes nothing messages are acked and pending,
// and the ledger answers; when it is back the backlog drains by itself.
func TestStoreAway(t *testing.T) {
	b := newBox(t)
	f := &failing{}
	b.close()
	b.wrap = func(s store.SeriesStore) store.SeriesStore { f.SeriesStore = s; return f }
	b.open()
	b.device("d1", 1)
	f.away.Store(true)
	const n = 3000
	base := time.Now().UnixMilli()
	uid, _ := b.devices.Lookup("acme", "d1")
	var acks, done sync.WaitGroup
	for i := range n {
		acks.Add(1)
		done.Add(1)
		m := &ingest.Message{
			Principal: "device:d1", UID: uid, OrgID: "acme", DeviceID: "d1",
			Payload: fmt.Appendf(nil, `{"ts":%d,"readings":[{"port":1,"value":%d}]}`, base-int64(i), i),
			Ack: ingest.AckFunc(func(err error) {
				if err != nil {
					t.Error(err)
				}
				acks.Done()
			}),
			Done: func(*ingest.Result) { done.Done() },
		}
		if err := b.flow.Submit(m); err != nil {
			t.Fatal(err)
		}
	}
	acks.Wait()
	if l := b.ledger(); l.Received != n || l.Pending != n {
		t.Errorf("ledger while the store is away: %+v", l)
	}
	f.away.Store(false)
	done.Wait() // also of those that went through the file
	b.wantLedger(n, n, 0, 0)
}

// TestShownAhead: live values flow while the store takes nothing, and none of
// them comes again when it does.
func TestShownAhead(t *testing.T) {
	b := newBox(t)
	f := &failing{}
	b.watchable()
	b.wrap = func(s store.SeriesStore) store.SeriesStore { f.SeriesStore = s; return f }
	b.open()
	b.device("d1", 1)
	sub, err := b.live.Subscribe(live.Filter{Kinds: live.AllKinds, Access: store.Everything()})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	seen := map[float64]int{}
	see := func(upTo float64) {
		t.Helper()
		for seen[upTo] == 0 {
			batch, err := sub.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range batch.Events {
				if e.Kind == live.KindReading {
					seen[e.Reading.RawValue]++
				}
			}
		}
	}
	base := time.Now().UnixMilli()
	var done sync.WaitGroup
	submit := func(v int) {
		t.Helper()
		done.Add(1)
		uid, _ := b.devices.Lookup("acme", "d1")
		if err := b.flow.Submit(&ingest.Message{
			Principal: "device:d1", UID: uid, OrgID: "acme", DeviceID: "d1", Done: func(*ingest.Result) { done.Done() },
			Payload: fmt.Appendf(nil, `[{"ts":%d,"readings":[{"port":1,"value":%d},{"port":9,"value":-1}]}]`, base+int64(v), v),
		}); err != nil {
			t.Fatal(err)
		}
	}
	submit(1)
	see(1)
	f.away.Store(true)
	for v := 2; v <= 50; v++ {
		submit(v)
	}
	see(50)
	if l := b.ledger(); l.Stored != 1 || l.Pending != 98 {
		t.Errorf("while the store is away: %+v", l)
	}
	f.away.Store(false)
	done.Wait()
	submit(51)
	see(51)
	b.wantLedger(102, 51, 0, 51)
	for v := 1; v <= 51; v++ {
		if n := seen[float64(v)]; n != 1 {
			t.Errorf("value %d was shown %d times", v, n)
		}
	}
}

// recovering is a store that has to finish something before it takes readings.
type recovering struct {
	store.SeriesStore
	tries atomic.Int64
	ready atomic.Bool
	t     *testing.T
}

func (r *recovering) Recover(context.Context) (func() error, error) {
	r.tries.Add(1)
	if !r.ready.Load() {
		return nil, fmt.Errorf("recover: %w", store.ErrUnavailable)
	}
	return func() error { return nil }, nil
}

func (r *recovering) Append(ctx context.Context, b *store.Batch) error {
	if !r.ready.Load() {
		r.t.Error("readings came before the store had recovered")
	}
	return r.SeriesStore.Append(ctx, b)
}

// TestRecoverComesFirst: nothing is applied before the store has finished what
// a crash left; meanwhile messages are acked and pending.
func TestRecoverComesFirst(t *testing.T) {
	b := newBox(t)
	b.close()
	r := &recovering{t: t}
	b.wrap = func(s store.SeriesStore) store.SeriesStore { r.SeriesStore = s; return r }
	b.open()
	b.device("d1", 1)
	acked := make(chan error, 1)
	done := make(chan struct{})
	uid, _ := b.devices.Lookup("acme", "d1")
	if err := b.flow.Submit(&ingest.Message{
		Principal: "device:d1", UID: uid, OrgID: "acme", DeviceID: "d1", Payload: []byte(`{"readings":[{"port":1,"value":1}]}`),
		Ack: ingest.AckFunc(func(err error) { acked <- err }), Done: func(*ingest.Result) { close(done) },
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-acked; err != nil {
		t.Fatal(err)
	}
	if l := b.ledger(); l.Pending != 1 {
		t.Errorf("before it recovered: %+v", l)
	}
	r.ready.Store(true)
	<-done
	b.wantLedger(1, 1, 0, 0)
	if r.tries.Load() < 2 {
		t.Errorf("recovered at try %d", r.tries.Load())
	}
}

// TestRenamedPort: a reading that names a port is stored once, also when the
// port has another name, or is gone, by the time the log is applied again.
func TestRenamedPort(t *testing.T) {
	b := newBox(t)
	ctx := t.Context()
	name := func(n string) {
		t.Helper()
		p := store.Port{DeviceID: "d1", Number: 1, Name: n, Calibrations: []store.Calibration{store.Identity(time.Now())}}
		if err := b.catalog.PutPort(ctx, p); err != nil {
			t.Fatal(err)
		}
		b.refresh("d1")
	}
	b.device("d1", 1)
	name("temp")
	base := time.Now().UnixMilli()
	send := func(port string, i int64) {
		t.Helper()
		b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":%q,"value":%d}]}`, base+i, port, i))
	}
	for i, next := range []string{"heat", "warmth", ""} {
		send([]string{"temp", "heat", "warmth"}[i], int64(i))
		if err := b.flow.Between(ctx, func() error { name(next); return nil }); err != nil {
			t.Fatal(err)
		}
		// What the state holds durably is not counted again.
		if err := b.state.Flush(ctx, b.series.Applied()); err != nil {
			t.Fatal(err)
		}
		b.crash()
		b.open()
		b.wantLedger(uint64(i+1), uint64(i+1), 0, 0)
	}
	err := b.flow.Between(ctx, func() error {
		d, err := b.catalog.Device(ctx, "d1")
		if err != nil {
			return err
		}
		d.State = store.DeviceDeleted
		return errors.Join(b.catalog.UpdateDevice(ctx, d), b.devices.Refresh(ctx, "d1"))
	})
	if err != nil {
		t.Fatal(err)
	}
	b.crash()
	b.open()
	b.wantLedger(3, 3, 0, 0)
}

// TestNoChangeWhileAway: a change of the catalogue that would come before
// verdicts of which nobody knows is refused, and not made.
func TestNoChangeWhileAway(t *testing.T) {
	b := newBox(t)
	f := &failing{}
	b.close()
	b.wrap = func(s store.SeriesStore) store.SeriesStore { f.SeriesStore = s; return f }
	b.open()
	b.device("d1", 1)
	f.away.Store(true)
	uid, _ := b.devices.Lookup("acme", "d1")
	done := make(chan struct{})
	if err := b.flow.Submit(&ingest.Message{
		Principal: "device:d1", UID: uid, OrgID: "acme", DeviceID: "d1", Payload: []byte(`{"readings":[{"port":1,"value":1}]}`),
		Done: func(*ingest.Result) { close(done) },
	}); err != nil {
		t.Fatal(err)
	}
	for b.flow.Trouble() == "" {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	made := false
	if err := b.flow.Between(ctx, func() error { made = true; return nil }); err == nil || made {
		t.Errorf("the change was made: %v, error %v", made, err)
	}
	f.away.Store(false)
	<-done
	if err := b.flow.Between(t.Context(), func() error { made = true; return nil }); err != nil || !made {
		t.Errorf("the change was made: %v, error %v", made, err)
	}
}
