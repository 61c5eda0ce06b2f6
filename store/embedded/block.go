package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
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
	return store.Sample{TS: c.ts[i], Raw: c.raw[i], IngestTS: c.ingest[i], Calibration: c.calibration[i],
		Quality: store.Quality(c.marks[i]), Flags: store.Flags(c.marks[i] >> 8)}
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

// blockHeader is what a block says of itself.
type blockHeader struct {
	count       int
	first, last int64
	hasStats    bool
	stats       stats
	column      [columnCount][]byte
}

// parseBlock reads the header and leaves the sum unchecked.
func parseBlock(b []byte) (h blockHeader, err error) {
	if len(b) < 2+4 {
		return h, errBlock
	}
	if b[0] != blockFormat {
		return h, fmt.Errorf("%w: its format is %d, this tidegate knows up to %d", errBlock, b[0], blockFormat)
	}
	flags := b[1]
	b = b[2 : len(b)-4]
	uvarint := func() uint64 {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			err = errBlock
			return 0
		}
		b = b[n:]
		return v
	}
	count := uvarint()
	first, n := binary.Varint(b)
	if err != nil || n <= 0 || count == 0 || count > maxBlockSize {
		return h, errBlock
	}
	b = b[n:]
	h.count, h.first = int(count), first
	if h.last = first + int64(uvarint()); h.last < h.first {
		return h, errBlock
	}
	if flags&blockStats != 0 {
		if len(b) < blockSums {
			return h, errBlock
		}
		f := func(i int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])) }
		h.stats = stats{sum: f(0), comp: f(1), min: f(2), max: f(3), first: f(4), last: f(5)}
		h.hasStats = true
		b = b[blockSums:]
	}
	var sizes [columnCount]uint64
	for i := range sizes {
		sizes[i] = uvarint()
	}
	for i, size := range sizes {
		if err != nil || size > uint64(len(b)) {
			return h, errBlock
		}
		h.column[i], b = b[:size], b[size:]
	}
	if len(b) != 0 {
		return h, errBlock
	}
	return h, nil
}

// blockDecoder is the inverse of blockEncoder.
type blockDecoder struct {
	valueDecoder
	table *crc32.Table
}

func newBlockDecoder() (*blockDecoder, error) {
	c, err := newColumnDecoder()
	if err != nil {
		return nil, err
	}
	return &blockDecoder{valueDecoder: valueDecoder{columnDecoder: c, pow: powersOfTen()}, table: crc32.MakeTable(crc32.Castagnoli)}, nil
}

// check verifies the sum of a block.
func (d *blockDecoder) check(b []byte) error {
	if len(b) < 4 || binary.LittleEndian.Uint32(b[len(b)-4:]) != crc32.Checksum(b[:len(b)-4], d.table) {
		return fmt.Errorf("%w: its sum does not match", errBlock)
	}
	return nil
}

// decode verifies b and decodes the columns that want names into dst, whose
// memory it reuses.
func (d *blockDecoder) decode(dst *columns, b []byte, want int) (blockHeader, error) {
	if err := d.check(b); err != nil {
		return blockHeader{}, err
	}
	h, err := parseBlock(b)
	if err != nil {
		return h, err
	}
	return h, d.columns(dst, h, want)
}

func (d *blockDecoder) columns(dst *columns, h blockHeader, want int) error {
	dst.reset()
	n := h.count
	if want&(columnTS|columnIngest) != 0 {
		dst.ts = grown(dst.ts, n)
		if err := d.ints(dst.ts, h.column[0]); err != nil {
			return fmt.Errorf("%w: ts: %w", errBlock, err)
		}
		if dst.ts[0] != h.first || dst.ts[n-1] != h.last {
			return fmt.Errorf("%w: its times do not match", errBlock)
		}
		for i := 1; i < n; i++ {
			if dst.ts[i] <= dst.ts[i-1] {
				return fmt.Errorf("%w: its times do not ascend", errBlock)
			}
		}
	}
	if want&columnRaw != 0 {
		dst.raw = grown(dst.raw, n)
		if err := d.values(dst.raw, h.column[1]); err != nil {
			return fmt.Errorf("%w: raw value: %w", errBlock, err)
		}
	}
	if want&columnIngest != 0 {
		if err := d.ingest(dst, h.column[2]); err != nil {
			return fmt.Errorf("%w: ingest ts: %w", errBlock, err)
		}
	}
	if want&columnCalibration != 0 {
		dst.calibration = grown(dst.calibration, n)
		if err := d.small(dst.calibration, h.column[3]); err != nil {
			return fmt.Errorf("%w: calibration: %w", errBlock, err)
		}
	}
	if want&columnMarks != 0 {
		dst.marks = grown(dst.marks, n)
		if err := d.small(dst.marks, h.column[4]); err != nil {
			return fmt.Errorf("%w: quality: %w", errBlock, err)
		}
	}
	return nil
}

func (d *blockDecoder) ingest(dst *columns, b []byte) error {
	if len(b) == 0 || b[0] > ingestLatency {
		return errColumn
	}
	dst.ingest = grown(dst.ingest, len(dst.ts))
	if err := d.ints(dst.ingest, b[1:]); err != nil {
		return err
	}
	if b[0] == ingestLatency {
		for i, x := range dst.ts {
			dst.ingest[i] += x
		}
	}
	return nil
}

func (d *blockDecoder) small(dst []uint16, b []byte) error {
	d.buf = grown(d.buf, len(dst))
	ints := d.buf
	if err := d.ints(ints, b); err != nil {
		return err
	}
	for i, x := range ints {
		if x < 0 || x > math.MaxUint16 {
			return errColumn
		}
		dst[i] = uint16(x)
	}
	return nil
}

// constantCalibration answers the one calibration number of a block's samples,
// if it is one.
func (h *blockHeader) constantCalibration() (uint16, bool) {
	b := h.column[3]
	if len(b) < 3 || b[0] != 0 {
		return 0, false
	}
	v, n := binary.Varint(b[1:])
	return uint16(v), n > 0 && len(b) == n+2 && b[n+1] == 0
}

// grown answers s with n elements of any value.
func grown[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, max(n, fullBlock))
	}
	return s[:n]
}
