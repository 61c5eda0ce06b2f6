package embedded

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

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
