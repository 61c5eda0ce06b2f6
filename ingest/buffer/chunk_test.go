package buffer

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"testing"
)

func testCodec(t testing.TB) *codec {
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// TestChunks encodes groups of every shape and decodes them.
func TestChunks(t *testing.T) {
	c := testCodec(t)
	r := newRand(t)
	stored, raw := int64(0), 0
	for range 20 {
		items := make([]Item, 1+r.IntN(3000))
		for i := range items {
			items[i].Entry = randomEntry(r)
		}
		first := 1 + r.Uint64N(1<<40)
		prev := sha256.Sum256([]byte{byte(r.Uint32())})
		g := c.encode(first, prev, items)
		stored, raw = stored+g.stored, raw+g.raw
		next := first
		for i, v := range g.chunks {
			ch, err := parseChunk(v.first, v.value)
			if err != nil {
				t.Fatal(err)
			}
			if ch.first != next || ch.opens != (i == 0) || ch.opens && ch.prev != prev {
				t.Fatalf("chunk %d: %+v", i, ch)
			}
			got, err := ch.items(c.zr, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range got {
				if it.Seq != next || string(it.Record) != recordOf(items[next-first]) {
					t.Fatalf("record %d differs", it.Seq)
				}
				next++
			}
			from, to := ch.first+r.Uint64N(3)-1, ch.first+r.Uint64N(ch.last-ch.first+2)
			want, sum := int64(0), int64(0)
			for seq := max(from+1, ch.first); seq <= min(to, ch.last); seq++ {
				_, _, n := items[seq-first].Entry.Tally()
				want += n
			}
			if err := ch.eachTally(from, to, func(_ int64, _ uint32, n int64) { sum += n }); err != nil || sum != want {
				t.Fatalf("tallies of %d < seq <= %d add up to %d, want %d: %v", from, to, sum, want, err)
			}
		}
		if next != first+uint64(len(items)) {
			t.Fatalf("ended before %d", next)
		}
	}
	t.Logf("%d bytes of records stored in %d", raw, stored)
}

// FuzzChunk decodes hostile chunks whose checksum is right.
func FuzzChunk(f *testing.F) {
	c := testCodec(f)
	r := newRand(f)
	for _, n := range []int{1, 3, 50} {
		items := make([]Item, n)
		for i := range items {
			items[i].Entry = &entry{hour: math.MaxInt64 - int64(i), owner: uint32(i), n: int64(i), body: payload(r, n)}
		}
		for _, v := range c.encode(uint64(n), [32]byte{1}, items).chunks {
			f.Add(v.first, append([]byte(nil), v.value...))
		}
	}
	f.Add(uint64(1), []byte{1, 0, 0, 0, 0, 0, 1, 1, 2, 2, 8, 2, 1, 7})
	f.Fuzz(func(t *testing.T, first uint64, v []byte) {
		if len(v) >= 6 {
			binary.LittleEndian.PutUint32(v[2:], chunkSum(first, v))
		}
		ch, err := parseChunk(first, v)
		if err != nil {
			return
		}
		if ch.bodyLen > 1<<20 {
			return // allowed, and slow
		}
		if items, err := ch.items(c.zr, nil); err == nil && uint64(len(items)) != ch.last-ch.first+1 {
			t.Errorf("%d records of %d to %d", len(items), ch.first, ch.last)
		}
		_ = ch.eachTally(0, ch.last, func(int64, uint32, int64) {})
	})
}

// FuzzDurable decodes hostile counters and trim positions.
func FuzzDurable(f *testing.F) {
	f.Add(appendOwners(nil, map[uint32]int64{0: 1, 7: -3, math.MaxUint32: math.MaxInt64}))
	tail := tail{trimmed: 5, deleted: 3, total: 9}
	f.Add(tail.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := map[uint32]int64{}
		if err := eachOwner(b, func(owner uint32, n int64) { got[owner] += n }); err == nil {
			again := map[uint32]int64{}
			if err := eachOwner(appendOwners(nil, got), func(owner uint32, n int64) { again[owner] = n }); err != nil || len(again) != len(got) {
				t.Errorf("%v became %v: %v", got, again, err)
			}
		}
		if tl, err := parseTail(b); err == nil && string(tl.append(nil)) != string(b) {
			t.Error("a tail changed on the way")
		}
	})
}
