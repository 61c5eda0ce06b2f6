package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// TestLifecyclesWaitForEachOther: an event is durable some time later without
// being asked for, and many go with one commit.
func TestLifecyclesWaitForEachOther(t *testing.T) {
	dir := t.TempDir()
	s := openTestState(t, dir, StateOptions{LifecycleAfter: 20 * time.Millisecond})
	defer s.Close()
	at := store.Time(time.Now().UnixMilli())
	for uid := range uint32(1000) {
		s.AddLifecycle(uid, store.LifecycleEvent{At: at, Status: store.StatusOnline, Source: store.LifecycleServer})
	}
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(time.Millisecond); s.life.wait(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("they are never durable")
		}
	}
	s.mu.Lock() // the commit is done
	n := 0
	err := view(s.db, func(tx *bbolt.Tx) error { n = tx.Bucket(lifecycleBucket).Stats().KeyN; return nil })
	s.mu.Unlock()
	if err != nil || n != 1000 {
		t.Errorf("%d events on disk: %v", n, err)
	}
}

// TestLifecyclesAreDropped: what is too old goes with the next event of its
// device.
func TestLifecyclesAreDropped(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s := openTestState(t, t.TempDir(), StateOptions{FlushAfter: time.Hour, LifecycleAfter: time.Hour, Now: func() time.Time { return now }})
	defer s.Close()
	add := func() {
		s.AddLifecycle(1, store.LifecycleEvent{At: store.Time(now.UnixMilli()), Status: strings.Repeat("ä", 100), Reason: "\xff", Source: store.LifecycleDevice})
		if err := s.Flush(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	add()
	now = now.Add(store.LifecycleAge + time.Hour)
	add()
	events, err := s.ListLifecycle(t.Context(), store.LifecycleFilter{UID: 1, Limit: 10})
	if err != nil || len(events) != 1 || len(events[0].Status) != lifecycleStatusBytes || events[0].Reason != "\ufffd" || s.life.kept[1] != 1 {
		t.Errorf("%+v, %d kept: %v", events, s.life.kept[1], err)
	}
}

// BenchmarkLifecycleCommit measures what one coming and going costs the disk, in
// a file with the history of a thousand devices.
func BenchmarkLifecycleCommit(b *testing.B) {
	dir := b.TempDir()
	s := openTestState(b, dir, StateOptions{FlushAfter: time.Hour, LifecycleAfter: time.Hour})
	defer s.Close()
	at := store.Time(time.Now().Add(-24 * time.Hour).UnixMilli())
	e := store.LifecycleEvent{Status: store.StatusOnline, Reason: "connection_lost", Source: store.LifecycleServer}
	for uid := range uint32(1000) {
		for i := range store.Time(100) {
			e.At = at + i
			s.AddLifecycle(uid, e)
		}
	}
	if err := s.Flush(b.Context(), 0); err != nil {
		b.Fatal(err)
	}
	before := s.db.Stats()
	for i := 0; b.Loop(); i++ {
		e.At = at + 1000 + store.Time(i)
		s.AddLifecycle(uint32(i%1000), e)
		if err := s.Flush(b.Context(), 0); err != nil {
			b.Fatal(err)
		}
	}
	after := s.db.Stats()
	b.ReportMetric(float64(after.TxStats.GetWrite()-before.TxStats.GetWrite())/float64(b.N), "writes/op")
	b.ReportMetric(float64(after.TxStats.GetPageAlloc()-before.TxStats.GetPageAlloc())/float64(b.N), "B/op-pages")
	st, err := os.Stat(filepath.Join(dir, "state.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(st.Size())/100_000, "B/event-on-disk")
}

// BenchmarkLifecyclesOfAll measures a page of the newest of 5,000 devices, each
// with a history, and some that wait.
func BenchmarkLifecyclesOfAll(b *testing.B) {
	s := openTestState(b, b.TempDir(), StateOptions{FlushAfter: time.Hour, LifecycleAfter: time.Hour})
	defer s.Close()
	at := store.Time(time.Now().Add(-24 * time.Hour).UnixMilli())
	f := store.LifecyclesFilter{}
	for uid := range uint32(5000) {
		f.UIDs = append(f.UIDs, uid)
		for i := range store.Time(100) {
			s.AddLifecycle(uid, store.LifecycleEvent{At: at + i*1000 + store.Time(uid), Status: store.StatusOnline, Reason: "connection_lost", Source: store.LifecycleServer})
		}
		if uid%50 == 49 { // many new keys in one transaction take long
			if err := s.Flush(b.Context(), 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	for uid := range uint32(1000) {
		s.AddLifecycle(uid, store.LifecycleEvent{At: at + 200_000, Status: store.StatusOffline, Source: store.LifecycleServer})
	}
	for _, limit := range []int{15, 101, 1001} {
		b.Run(fmt.Sprint(limit), func(b *testing.B) {
			f.Limit = limit
			for b.Loop() {
				if events, err := s.ListLifecycles(b.Context(), f); err != nil || len(events) != limit {
					b.Fatal(len(events), err)
				}
			}
		})
	}
}
