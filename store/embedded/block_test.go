package embedded

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func equalColumns(a, b *columns) bool {
	if len(a.ts) != len(b.ts) || len(b.raw) != len(a.ts) || len(b.ingest) != len(a.ts) || len(b.calibration) != len(a.ts) || len(b.marks) != len(a.ts) {
		return false
	}
	for i := range a.ts {
		if a.ts[i] != b.ts[i] || math.Float64bits(a.raw[i]) != math.Float64bits(b.raw[i]) || a.ingest[i] != b.ingest[i] ||
			a.calibration[i] != b.calibration[i] || a.marks[i] != b.marks[i] {
			return false
		}
	}
	return true
}

func testCoders(t testing.TB) (*blockEncoder, *blockDecoder) {
	t.Helper()
	e, err := newBlockEncoder()
	if err != nil {
		t.Fatal(err)
	}
	d, err := newBlockDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return e, d
}

// hardValues are those that codecs stumble over.
func hardValues() []float64 {
	return []float64{
		0, math.Copysign(0, -1), 1, -1, 0.1, 0.3, 0.1 + 0.2, 1e-300, 5e-324, -5e-324, math.MaxFloat64, -math.MaxFloat64,
		math.SmallestNonzeroFloat64, 1 << 53, 1<<53 + 2, -(1 << 53), 1e15, 1e16, 1e17, 1e22, 1e23, 123456789.987654321, math.Pi, math.Nextafter(1, 2),
		2.2250738585072014e-308, 2.2250738585072011e-308, 9007199254740993, 0.000001, 1e-18, 4.35, 1.005, 230.1, -40.5,
	}
}

func randomColumns(rnd *rand.Rand, n int) columns {
	var c columns
	ts := rnd.Int64N(4e12) - 2e12
	shape, clock, ingest := rnd.IntN(6), rnd.IntN(4), rnd.IntN(3)
	hard := hardValues()
	walk := float64(rnd.IntN(1000))
	scale := math.Pow10(rnd.IntN(7))
	cal, marks := uint16(rnd.IntN(3)), uint16(rnd.IntN(3))
	for range n {
		switch clock {
		case 0:
			ts += 1000
		case 1:
			ts += 1000 + rnd.Int64N(41) - 20
		case 2:
			ts += 1 + rnd.Int64N(5)
		case 3:
			ts += 1 + int64(rnd.ExpFloat64()*1e7)
		}
		var v float64
		switch shape {
		case 0:
			walk += float64(rnd.IntN(21) - 10)
			v = walk / scale
		case 1:
			v = rnd.NormFloat64() * scale
		case 2:
			v = hard[rnd.IntN(len(hard))]
		case 3:
			v = math.Float64frombits(rnd.Uint64())
			if math.IsNaN(v) || math.IsInf(v, 0) {
				v = 0
			}
		case 4:
			v = 42.5
		case 5:
			walk++
			v = walk
			if rnd.IntN(50) == 0 {
				v = hard[rnd.IntN(len(hard))]
			}
		}
		at := ts
		switch ingest {
		case 0:
			at = 1.8e12
		case 1:
			at += rnd.Int64N(100)
		case 2:
			at = rnd.Int64() - rnd.Int64()
		}
		if rnd.IntN(200) == 0 {
			cal, marks = uint16(rnd.Uint32()), uint16(rnd.Uint32())
		}
		c.ts, c.raw, c.ingest = append(c.ts, ts), append(c.raw, v), append(c.ingest, at)
		c.calibration, c.marks = append(c.calibration, cal), append(c.marks, marks)
	}
	return c
}

func TestBlockRoundTrip(t *testing.T) {
	e, d := testCoders(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	var got columns
	for i := range 800 {
		n := 1 + rnd.IntN(40)
		if i%10 == 0 {
			n = 1 + rnd.IntN(5000)
		}
		c := randomColumns(rnd, n)
		b := e.encode(c)
		h, err := d.decode(&got, b, columnsAll)
		if err != nil {
			t.Fatalf("block of %d: %v", n, err)
		}
		if !equalColumns(&c, &got) {
			t.Fatalf("block of %d comes back changed", n)
		}
		if h.count != n || h.first != c.ts[0] || h.last != c.ts[n-1] || h.hasStats != (n >= statsFrom) {
			t.Fatalf("header %+v", h)
		}
		if want := statsOf(c.raw); h.hasStats && h.stats != want && !math.IsNaN(want.comp) { // NaN: the sum overflows
			t.Fatalf("stats %+v", h.stats)
		}
		if number, ok := h.constantCalibration(); ok {
			for _, x := range c.calibration {
				if x != number {
					t.Fatalf("calibration %d is said to be constantly %d", x, number)
				}
			}
		}
		want := rnd.IntN(columnsAll + 1)
		if _, err := d.decode(&got, b, want); err != nil {
			t.Fatal(err)
		}
		if want&columnRaw != 0 && math.Float64bits(got.raw[n-1]) != math.Float64bits(c.raw[n-1]) {
			t.Fatal("a lone column comes back changed")
		}
	}
}

func TestBlockHardValues(t *testing.T) {
	e, d := testCoders(t)
	hard := hardValues()
	for i := range hard {
		for j := range hard {
			c := columns{
				ts: []int64{math.MinInt64, 5}, raw: []float64{hard[i], hard[j]}, ingest: []int64{math.MaxInt64, math.MinInt64},
				calibration: []uint16{0, 65535}, marks: []uint16{65535, 0},
			}
			var got columns
			if _, err := d.decode(&got, e.encode(c), columnsAll); err != nil || !equalColumns(&c, &got) {
				t.Fatalf("%g, %g come back changed: %v", hard[i], hard[j], err)
			}
		}
	}
}

// TestBlockDamage flips every bit of some blocks: each must be noticed.
func TestBlockDamage(t *testing.T) {
	e, d := testCoders(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 60, 1500} {
		b := e.encode(randomColumns(rnd, n))
		var got columns
		for i := range b {
			bit := byte(1) << rnd.IntN(8)
			b[i] ^= bit
			if _, err := d.decode(&got, b, columnsAll); err == nil {
				t.Fatalf("damage at byte %d of %d is not noticed", i, len(b))
			}
			b[i] ^= bit
		}
	}
}

// FuzzBlockDecode gives the decoder blocks with a valid sum and any content:
// it must not panic, and what it answers must be consistent.
func FuzzBlockDecode(f *testing.F) {
	e, d := testCoders(f)
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 2, 50, 300, 2000} {
		for range 5 {
			b := e.encode(randomColumns(rnd, n))
			f.Add(b[:len(b)-4])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = binary.LittleEndian.AppendUint32(bytes.Clone(b), crc32.Checksum(b, e.table))
		var got columns
		h, err := d.decode(&got, b, columnsAll)
		if err != nil {
			return
		}
		if len(got.ts) != h.count || len(got.raw) != h.count || len(got.ingest) != h.count || len(got.marks) != h.count || len(got.calibration) != h.count {
			t.Fatalf("columns of unequal length for %d samples", h.count)
		}
		again := e.encode(got)
		var twice columns
		if _, err := d.decode(&twice, again, columnsAll); err != nil || !equalColumns(&got, &twice) {
			t.Fatalf("what was decoded does not survive: %v", err)
		}
	})
}

// FuzzBlockRoundTrip makes columns of any bytes.
func FuzzBlockRoundTrip(f *testing.F) {
	f.Add([]byte("any bytes at all will do for that, the more the better, as long as there are some"))
	e, d := testCoders(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var c columns
		ts := int64(-1 << 40)
		for ; len(b) >= 16 && len(c.ts) < 5000; b = b[16:] {
			v := math.Float64frombits(binary.LittleEndian.Uint64(b[8:]))
			ts += 1 + int64(binary.LittleEndian.Uint32(b)&0xffff)
			c.ts, c.raw, c.ingest = append(c.ts, ts), append(c.raw, v), append(c.ingest, ts+int64(b[4]))
			c.calibration, c.marks = append(c.calibration, uint16(b[5])), append(c.marks, binary.LittleEndian.Uint16(b[6:]))
		}
		if len(c.ts) == 0 {
			return
		}
		var got columns
		if _, err := d.decode(&got, e.encode(c), columnsAll); err != nil || !equalColumns(&c, &got) {
			t.Fatalf("%d samples come back changed: %v", len(c.ts), err)
		}
	})
}
