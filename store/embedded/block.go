package embedded

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	"tidegate/store"
)

// A block holds samples of one series in ascending order of ts, each column by
// itself, so that an aggregate decodes two of five.
//
//	format   byte: blockFormat
//	flags    byte: blockStats
//	count    uvarint, 1 to maxBlockSize
//	first    varint: ts of the first sample
//	span     uvarint: ts of the last less that of the first
//	stats    with blockStats: sum, its compensation, min, max, first, last of
//	         the raw values, 8 bytes each
//	lengths  uvarint × 5
//	columns  ts, raw value, ingest ts, calibration number, quality and flags
//	sum      CRC-32C of all before, 4 bytes
//
// The ingest column is of ingest ts less ts where that is smaller (a byte says
// so); the last one is of flags<<8 | quality.
const (
	blockFormat = 1
	blockStats  = 1 << 0
	statsFrom   = 256  // samples from which the stats are worth their 48 bytes
	fullBlock   = 4096 // samples of a full block
	blockSums   = 6 * 8

	ingestAbsolute = 0
	ingestLatency  = 1
)

// Columns of a block, as bits of what to decode.
const (
	columnTS = 1 << iota
	columnRaw
	columnIngest
	columnCalibration
	columnMarks
	columnCount = 5
	columnsAll  = 1<<columnCount - 1
)

var errBlock = errors.New("block is damaged")

// columns are samples by column; what was not asked for is empty.
type columns struct {
	ts          []int64
	raw         []float64
	ingest      []int64
	calibration []uint16
	marks       []uint16 // flags<<8 | quality
}

func (c *columns) reset() {
	c.ts, c.raw, c.ingest, c.calibration, c.marks = c.ts[:0], c.raw[:0], c.ingest[:0], c.calibration[:0], c.marks[:0]
}

func (c *columns) add(s *store.Sample) {
	c.ts = append(c.ts, s.TS)
	c.raw = append(c.raw, s.Raw)
	c.ingest = append(c.ingest, s.IngestTS)
	c.calibration = append(c.calibration, s.Calibration)
	c.marks = append(c.marks, uint16(s.Flags)<<8|uint16(s.Quality))
}

// addFrom appends samples i to j of o, in which all columns are decoded.
func (c *columns) addFrom(o *columns, i, j int) {
	c.ts = append(c.ts, o.ts[i:j]...)
	c.raw = append(c.raw, o.raw[i:j]...)
	c.ingest = append(c.ingest, o.ingest[i:j]...)
	c.calibration = append(c.calibration, o.calibration[i:j]...)
	c.marks = append(c.marks, o.marks[i:j]...)
}

// slice answers samples i to j; absent columns stay absent.
func (c *columns) slice(i, j int) columns {
	o := columns{ts: c.ts[i:j], raw: c.raw[i:j]}
	if len(c.ingest) != 0 {
		o.ingest = c.ingest[i:j]
	}
	if len(c.calibration) != 0 {
		o.calibration = c.calibration[i:j]
	}
	if len(c.marks) != 0 {
		o.marks = c.marks[i:j]
	}
	return o
}

// sample answers sample i, all columns being decoded.
func (c *columns) sample(i int) store.Sample {
	return store.Sample{
		TS: c.ts[i], Raw: c.raw[i], IngestTS: c.ingest[i], Calibration: c.calibration[i],
		Quality: store.Quality(c.marks[i]), Flags: store.Flags(c.marks[i] >> 8),
	}
}

// stats are sums of a whole block's raw values.
type stats struct {
	sum, comp             float64 // the sum is sum + comp
	min, max, first, last float64
}

func statsOf(v []float64) stats {
	s := stats{min: v[0], max: v[0], first: v[0], last: v[len(v)-1]}
	for _, x := range v {
		s.min, s.max = min(s.min, x), max(s.max, x)
		t := s.sum + x
		if math.Abs(s.sum) >= math.Abs(x) {
			s.comp += (s.sum - t) + x
		} else {
			s.comp += (x - t) + s.sum
		}
		s.sum = t
	}
	return s
}

// blockEncoder turns columns into blocks.
type blockEncoder struct {
	*valueEncoder
	table  *crc32.Table
	ints   []int64
	lat    []int64
	body   []byte
	out    []byte
	pieces [columnCount]int
}

func newBlockEncoder() (*blockEncoder, error) {
	c, err := newColumnEncoder()
	if err != nil {
		return nil, err
	}
	return &blockEncoder{valueEncoder: newValueEncoder(c), table: crc32.MakeTable(crc32.Castagnoli)}, nil
}

// encode answers the block of c, in which all columns are set. It is the
// caller's to keep.
func (e *blockEncoder) encode(c columns) []byte {
	n := len(c.ts)
	e.body = e.body[:0]
	mark := 0
	piece := func(i int) {
		e.pieces[i] = len(e.body) - mark
		mark = len(e.body)
	}
	e.body = e.appendInts(e.body, c.ts)
	piece(0)
	e.body = e.appendValues(e.body, c.raw)
	piece(1)
	e.appendIngest(c)
	piece(2)
	e.appendSmall(c.calibration)
	piece(3)
	e.appendSmall(c.marks)
	piece(4)

	h := append(e.out[:0], blockFormat, 0)
	h = binary.AppendUvarint(h, uint64(n))
	h = binary.AppendVarint(h, c.ts[0])
	h = binary.AppendUvarint(h, uint64(c.ts[n-1]-c.ts[0]))
	if n >= statsFrom {
		h[1] |= blockStats
		s := statsOf(c.raw)
		for _, x := range [...]float64{s.sum, s.comp, s.min, s.max, s.first, s.last} {
			h = binary.LittleEndian.AppendUint64(h, math.Float64bits(x))
		}
	}
	for _, size := range e.pieces {
		h = binary.AppendUvarint(h, uint64(size))
	}
	e.out = h
	b := make([]byte, 0, len(h)+len(e.body)+4)
	b = append(append(b, h...), e.body...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, e.table))
}

func (e *blockEncoder) appendIngest(c columns) {
	e.lat = e.lat[:0]
	for i, x := range c.ingest {
		e.lat = append(e.lat, x-c.ts[i])
	}
	start := len(e.body)
	e.body = e.appendInts(append(e.body, ingestLatency), e.lat)
	if len(e.body)-start <= 4 { // it does not get smaller
		return
	}
	middle := len(e.body)
	e.body = e.appendInts(append(e.body, ingestAbsolute), c.ingest)
	if len(e.body)-middle < middle-start {
		e.body = append(e.body[:start], e.body[middle:]...)
	} else {
		e.body = e.body[:middle]
	}
}

func (e *blockEncoder) appendSmall(v []uint16) {
	e.ints = e.ints[:0]
	for _, x := range v {
		e.ints = append(e.ints, int64(x))
	}
	e.body = e.appendInts(e.body, e.ints)
}

// grown answers s with n elements of any value.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, max(n, fullBlock))
	}
	return s[:n]
}
