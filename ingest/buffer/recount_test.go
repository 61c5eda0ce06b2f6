package buffer

import (
	"errors"
	"maps"
	"math"
	"reflect"
	"testing"
)

// TestRecount replaces what was trimmed, and leaves what is still there: at
// once, after a reopening, and once the rest is trimmed too.
func TestRecount(t *testing.T) {
	r := newRand(t)
	o := testOptions(t)
	l := open(t, o)
	var entries []*entry
	for range 400 {
		entries = append(entries, randomEntry(r))
	}
	appendAll(t, l, entries...)
	const trimmed = 150
	if err := l.Trim(trimmed); err != nil {
		t.Fatal(err)
	}
	check := func(when string, want hourCounts) {
		t.Helper()
		var sum int64
		for _, owners := range want {
			for _, n := range owners {
				sum += n
			}
		}
		after, _ := l.Bounds()
		got, pending := hourCounts{}, hourCounts{}
		if err := l.ReceivedHours(after, math.MinInt64, math.MaxInt64, got.add, pending.add); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: hours %v, want %v", when, got, want)
		}
		total, _, err := l.Received(after)
		if err != nil || total != sum {
			t.Fatalf("%s: received %d, want %d: %v", when, total, sum, err)
		}
		if _, err := l.Verify(t.Context()); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
	}
	was, want := hourCounts{}, hourCounts{}
	for i, e := range entries {
		if e.n == 0 {
			continue
		}
		was.add(e.hour, e.owner, e.n)
		if i >= trimmed {
			want.add(e.hour, e.owner, e.n)
		}
	}
	check("before", was)

	// Whatever goes wrong on the way leaves it as it was.
	stop := errors.New("stop")
	refused := []func(put func(int64, map[uint32]int64) error) error{
		func(put func(int64, map[uint32]int64) error) error {
			return errors.Join(put(480_000, map[uint32]int64{1: 5}), stop)
		},
		func(put func(int64, map[uint32]int64) error) error { return put(480_000, map[uint32]int64{1: -1}) },
		func(put func(int64, map[uint32]int64) error) error {
			return errors.Join(put(480_000, map[uint32]int64{1: 5}), put(480_000, map[uint32]int64{2: 5}))
		},
	}
	for _, fill := range refused {
		if err := l.Recount(fill); err == nil {
			t.Fatal("counted what cannot be")
		}
		check("refused", was)
	}

	base := map[int64]map[uint32]int64{-3: {0: 7}, 480_001: {2: 100, 4: 1, 9: 0}, 480_777: {}}
	for range 2 {
		err := l.Recount(func(put func(int64, map[uint32]int64) error) error {
			for hour, owners := range base {
				if err := put(hour, maps.Clone(owners)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	eachCount(base, func(hour int64, owner uint32, n int64) {
		if n != 0 {
			want.add(hour, owner, n)
		}
	})
	check("recounted", want)
	closeLog(t, l)
	l = open(t, o)
	check("reopened", want)
	if err := l.Trim(uint64(len(entries))); err != nil {
		t.Fatal(err)
	}
	check("trimmed", want)
	closeLog(t, l)
	l = open(t, o)
	check("trimmed and reopened", want)
}
