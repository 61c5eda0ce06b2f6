package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"tidegate/ingest"
	"tidegate/store"
)

// refusing is a store whose server has refused readings after their verdict,
// and refuses more while the ledger is being read.
type refusing struct {
	store.SeriesStore
	refused store.HourCounts
	reads   int
	late    int // so many are refused in the middle of reading the counters
}

func (r *refusing) refuse(n int64) { r.refused.Add(time.Now().UnixMilli()/3_600_000, 1, n) }

func (r *refusing) Totals(ctx context.Context) (uint64, uint64, error) {
	stored, duplicate, err := r.SeriesStore.Totals(ctx)
	stored -= uint64(r.refused.Sum())
	r.midway()
	return stored, duplicate, err
}

// midway refuses one behind the back of who has just read what is stored.
func (r *refusing) midway() {
	if r.late > 0 {
		r.late--
		r.refuse(1)
	}
}

func (r *refusing) Hours(ctx context.Context, from, to int64, stored, duplicate store.HourCounts) error {
	err := r.SeriesStore.Hours(ctx, from, to, stored, duplicate)
	for hour, c := range r.refused {
		for uid, n := range c {
			stored.Add(hour, uid, -n)
		}
	}
	r.midway()
	return err
}

func (r *refusing) Refused(context.Context) (uint64, error) {
	r.reads++
	return uint64(r.refused.Sum()), nil
}

func (r *refusing) RefusedHours(_ context.Context, from, to int64, into store.HourCounts) error {
	for hour, c := range r.refused {
		if hour >= from && hour < to {
			into.AddAll(store.HourCounts{hour: c})
		}
	}
	return nil
}

// TestRefusedCountsAsRejected: what the store's server refuses after its
// verdict counts as rejected and not as stored, also when it does so while the
// ledger is being read.
func TestRefusedCountsAsRejected(t *testing.T) {
	b := newBox(t)
	b.close()
	r := &refusing{refused: store.HourCounts{}}
	b.wrap = func(s store.SeriesStore) store.SeriesStore { r.SeriesStore = s; return r }
	b.open()
	b.device("d1", 1)
	base := time.Now().UnixMilli()
	for i := range 10 {
		b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":1},{"port":9,"value":1}]}`, base-int64(i)))
	}
	b.wantLedger(20, 10, 0, 10)
	r.refuse(2)
	b.wantLedger(20, 8, 0, 12)
	r.late = 1
	if l := b.ledger(); l.Stored != 7 || l.Rejected != 13 {
		t.Errorf("one was refused while the totals were read: %+v", l)
	}
	r.late = 1
	hours, err := b.flow.LedgerHours(t.Context(), -1<<40, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	var stored, rejected uint64
	for _, h := range hours {
		stored, rejected = stored+h.Stored, rejected+h.Rejected
	}
	if stored != 6 || rejected != 14 {
		t.Errorf("one was refused while the hours were read: stored %d, rejected %d", stored, rejected)
	}
	if r.reads == 0 {
		t.Error("nobody asked for what was refused")
	}
}

// TestLedgerBeforeTheStoreIsBack: after a crash that left dead letters, and
// replays of some, ahead of the readings, the ledger adds up while the store is
// away from the start on, and all through its way back.
func TestLedgerBeforeTheStoreIsBack(t *testing.T) {
	b := newBox(t)
	b.device("d1", 1)
	base := time.Now().UnixMilli()
	for i := range 3 {
		b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":1},{"port":9,"value":2}]}`, base+int64(i)))
	}
	b.send("d1", `no json`)
	// One flush: these are behind all positions.
	if err := b.flow.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.port("d1", 9)
	b.replay(b.letters()[1].ID, b.letters()[0].ID) // one comes back, one is rejected again
	b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":8,"value":1},{"port":1,"value":2},{"port":7,"value":1}]}`, base+3))
	b.send("d1", `nor this`)
	b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":9}]}`, base)) // a conflict
	b.wantLedger(12, 5, 0, 7)
	if err := b.state.Flush(t.Context(), b.series.Applied()); err != nil {
		t.Fatal(err)
	}
	b.crash()
	r := &recovering{t: t}
	b.wrap = func(s store.SeriesStore) store.SeriesStore { r.SeriesStore = s; return r }
	b.early = true
	b.open()
	want := store.Ledger{Received: 12, Stored: 3, Rejected: 7, Pending: 2}
	if got := b.ledger(); got != want {
		t.Errorf("before the store is back: %+v, want %+v", got, want)
	}
	b.addsUpByHour()
	r.ready.Store(true)
	for b.ledger().Pending > 0 { // it adds up at every moment
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	b.wantLedger(12, 5, 0, 7)
}

// addsUpByHour checks every row of the ledger, and all against the totals.
func (b *box) addsUpByHour() {
	b.t.Helper()
	hours, err := b.flow.LedgerHours(b.t.Context(), -1<<40, 1<<40)
	if err != nil {
		b.t.Fatal(err)
	}
	var pending uint64
	for _, h := range hours {
		if h.Received != h.Stored+h.Duplicate+h.Rejected+h.Pending {
			b.t.Errorf("the ledger of %q at %s does not add up: %+v", h.DeviceID, h.Hour, h.Ledger)
		}
		pending += h.Pending
	}
	if l := b.ledger(); pending != l.Pending {
		b.t.Errorf("the hours have %d pending, the total %d", pending, l.Pending)
	}
}

// TestReplayWhileAway: dead letters cannot be brought back while the store takes
// nothing: whoever asks is told so at once, and nothing is sent.
func TestReplayWhileAway(t *testing.T) {
	b := newBox(t)
	f := &failing{}
	b.close()
	b.wrap = func(s store.SeriesStore) store.SeriesStore { f.SeriesStore = s; return f }
	b.open()
	b.device("d1", 1)
	b.send("d1", `{"readings":[{"port":9,"value":1}]}`)
	id, err := store.ParseLetterID(b.letters()[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	b.port("d1", 9)
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
	_, head := b.log.Bounds()
	if _, _, _, err := b.flow.ReplayLetters(t.Context(), []store.LetterID{id}, ingest.ReplayOptions{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("replay while the store is away: %v", err)
	}
	if _, now := b.log.Bounds(); now != head {
		t.Error("the replay was sent")
	}
	f.away.Store(false)
	<-done
	if stored, _, _ := b.replay(b.letters()[0].ID); stored != 1 {
		t.Errorf("after it is back %d were stored", stored)
	}
}

// stuck is a store that neither takes nor refuses anything.
type stuck struct{ store.SeriesStore }

func (stuck) Flush(ctx context.Context, _ func(uint64) error) (uint64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// TestLastFlush: a store that does not answer does not keep the process from
// ending; the log keeps the rest.
func TestLastFlush(t *testing.T) {
	b := newBox(t)
	b.close()
	b.wrap = func(s store.SeriesStore) store.SeriesStore { return stuck{s} }
	b.lastFlush = 10 * time.Millisecond
	b.open()
	b.device("d1", 1)
	b.send("d1", `{"readings":[{"port":1,"value":1}]}`)
	b.close() // it would hang
	b.wrap, b.lastFlush = nil, 0
	b.open()
	b.wantLedger(1, 1, 0, 0)
}

// TestReloadCuts: a catalogue that others have changed is read again, and names
// the devices whose connections must end.
func TestReloadCuts(t *testing.T) {
	b := newBox(t)
	for _, id := range []string{"same", "renamed", "moved", "rekeyed", "retired", "gone"} {
		b.device(id, 1)
	}
	change := func(id string, fn func(*store.Device)) {
		t.Helper()
		d, err := b.catalog.Device(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		fn(&d)
		if err := b.catalog.UpdateDevice(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	change("renamed", func(d *store.Device) { d.Name = "another" })
	change("moved", func(d *store.Device) { d.SerialNumber = "SN2" })
	change("rekeyed", func(d *store.Device) { d.SecretHash = []byte("x") })
	change("retired", func(d *store.Device) { d.State = store.DeviceRetired })
	change("gone", func(d *store.Device) { d.State = store.DeviceDeleted })
	cut, err := b.devices.Reload(t.Context())
	if err != nil || fmt.Sprint(cut.Devices) != "[moved rekeyed retired gone]" || len(cut.APIKeys) != 0 {
		t.Errorf("to be cut: %v, %v", cut, err)
	}
	if b.devices.ByID("gone") != nil || b.devices.ByID("moved").Serial != "SN2" {
		t.Error("it was not read again")
	}
	if cut, err = b.devices.Reload(t.Context()); err != nil || len(cut.Devices)+len(cut.APIKeys) != 0 {
		t.Errorf("nothing changed, to be cut: %v, %v", cut, err)
	}
}
