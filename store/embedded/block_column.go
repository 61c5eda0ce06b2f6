package embedded

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
)

// A column of integers is kept as the residuals of a difference of order 0, 1
// or 2, centred and zigzagged so that most are small and not negative, cut into
// byte planes: all lowest bytes, then all second bytes, and so on. Each plane
// is packed by whatever makes it smallest.
//
//	order    byte
//	starts   varint × order: the first values of each difference
//	centre   varint
//	planes   byte: how many, 0 to 8; 0: every residual is the centre
//	plane    method byte, then as the method says
const maxOrder = 2

// How a plane is packed.
const (
	planeSame    = iota // one byte: all are that
	planeRaw            // n bytes
	planeHuff1          // uvarint length, Huffman, one stream
	planeHuff4          // uvarint length, Huffman, four streams
	planeZstd           // uvarint length, a zstd frame
	minPacked    = 48   // bytes below which a table costs more than it saves
	minFourWay   = 1024 // bytes from which four streams are worth their jump table
	maxBlockSize = 1 << 16
)

var errColumn = errors.New("column does not decode")

// columnEncoder turns integers into columns. It is not safe for concurrent use.
type columnEncoder struct {
	diff  [maxOrder + 1][]int64
	zig   []uint64
	plane []byte
	pick  []int64
	huff  huff0.Scratch
	zstd  *zstd.Encoder
	zout  []byte
}

func newColumnEncoder() (*columnEncoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(maxBlockSize), zstd.WithSingleSegment(true))
	if err != nil {
		return nil, err
	}
	return &columnEncoder{zstd: z, huff: huff0.Scratch{Reuse: huff0.ReusePolicyNone}}, nil
}

// appendInts appends the column of a, which is not empty, to dst.
func (e *columnEncoder) appendInts(dst []byte, a []int64) []byte {
	order, centre := e.choose(a)
	dst = append(dst, byte(order))
	for k := range order {
		dst = binary.AppendVarint(dst, e.diff[k][0])
	}
	dst = binary.AppendVarint(dst, centre)
	res := e.diff[order]
	e.zig = slices.Grow(e.zig[:0], len(res))[:len(res)]
	var or uint64
	for i, x := range res {
		u := zigzag(x - centre)
		e.zig[i] = u
		or |= u
	}
	planes := (bits.Len64(or) + 7) / 8
	dst = append(dst, byte(planes))
	for p := range planes {
		dst = e.appendPlane(dst, p)
	}
	return dst
}

// choose answers the order and the centre that leave the fewest bits, and
// leaves the differences in e.diff.
func (e *columnEncoder) choose(a []int64) (order int, centre int64) {
	best := -1
	for k := 0; k <= maxOrder && k < len(a); k++ {
		d := slices.Grow(e.diff[k][:0], len(a)-k)[:len(a)-k]
		e.diff[k] = d
		if k == 0 {
			copy(d, a)
		} else {
			prev := e.diff[k-1]
			for i := range d {
				d[i] = prev[i+1] - prev[i]
			}
		}
		c := e.centre(d)
		cost := 0
		for _, x := range d {
			cost += bits.Len64(zigzag(x - c))
		}
		if best < 0 || cost < best {
			best, order, centre = cost, k, c
		}
		if cost == 0 {
			break
		}
	}
	return order, centre
}

// centre answers about the median of d.
func (e *columnEncoder) centre(d []int64) int64 {
	step := len(d)/256 + 1
	e.pick = e.pick[:0]
	for i := 0; i < len(d); i += step {
		e.pick = append(e.pick, d[i])
	}
	slices.Sort(e.pick)
	return e.pick[len(e.pick)/2]
}

func (e *columnEncoder) appendPlane(dst []byte, p int) []byte {
	b := slices.Grow(e.plane[:0], len(e.zig))[:len(e.zig)]
	e.plane = b
	shift, same := uint(8*p), true
	for i, u := range e.zig {
		b[i] = byte(u >> shift)
		same = same && b[i] == b[0]
	}
	if same {
		return append(dst, planeSame, b[0])
	}
	method, out := byte(planeRaw), b
	if len(b) >= minPacked {
		if len(b) >= minFourWay {
			if h, _, err := huff0.Compress4X(b, &e.huff); err == nil && len(h)+2 < len(out) {
				method, out = planeHuff4, h
			}
		} else if h, _, err := huff0.Compress1X(b, &e.huff); err == nil && len(h)+2 < len(out) {
			method, out = planeHuff1, h
		}
		e.zout = e.zstd.EncodeAll(b, e.zout[:0])
		if z := e.zout; len(z)+2 < len(out) {
			method, out = planeZstd, z
		}
	}
	dst = append(dst, method)
	if method != planeRaw {
		dst = binary.AppendUvarint(dst, uint64(len(out)))
	}
	return append(dst, out...)
}

// columnDecoder is the inverse. It is not safe for concurrent use.
type columnDecoder struct {
	huff  *huff0.Scratch
	zstd  *zstd.Decoder
	plane []byte
}

func newColumnDecoder() (*columnDecoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlockSize),
		zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, err
	}
	return &columnDecoder{huff: new(huff0.Scratch), zstd: z, plane: make([]byte, maxBlockSize)}, nil
}

// ints decodes a column of len(dst) values, at least one and at most
// maxBlockSize, from the whole of b.
func (d *columnDecoder) ints(dst []int64, b []byte) error {
	if len(b) == 0 || b[0] > maxOrder || int(b[0]) >= len(dst) {
		return errColumn
	}
	order := int(b[0])
	b = b[1:]
	var head [maxOrder + 1]int64 // the starts, then the centre
	for i := range order + 1 {
		v, n := binary.Varint(b)
		if n <= 0 {
			return errColumn
		}
		head[i], b = v, b[n:]
	}
	if len(b) == 0 || b[0] > 8 {
		return errColumn
	}
	planes := int(b[0])
	b = b[1:]
	centre, res := head[order], dst[order:]
	if planes == 0 {
		for i := range res {
			res[i] = centre
		}
	}
	for p := range planes {
		plane, rest, err := d.unpack(b, len(res))
		if err != nil {
			return err
		}
		b = rest
		join(res, plane, p, p == planes-1, centre)
	}
	if len(b) != 0 {
		return errColumn
	}
	integrate(dst, order, head)
	return nil
}

// join adds plane p to the residuals; the last one also undoes the zigzag and
// the centring.
func join(res []int64, plane []byte, p int, last bool, centre int64) {
	plane = plane[:len(res)]
	switch shift := uint(8 * p); {
	case p == 0 && last:
		for i, x := range plane {
			res[i] = (int64(x>>1) ^ -int64(x&1)) + centre
		}
	case p == 0:
		for i, x := range plane {
			res[i] = int64(x)
		}
	case last:
		for i, x := range plane {
			u := uint64(res[i]) | uint64(x)<<shift
			res[i] = (int64(u>>1) ^ -int64(u&1)) + centre
		}
	default:
		for i, x := range plane {
			res[i] |= int64(x) << shift
		}
	}
}

// integrate sums the residuals in dst[order:] up into values.
func integrate(dst []int64, order int, head [maxOrder + 1]int64) {
	switch order {
	case 1:
		acc := head[0]
		dst[0] = acc
		for i := 1; i < len(dst); i++ {
			acc += dst[i]
			dst[i] = acc
		}
	case 2:
		acc, step := head[0], head[1]
		dst[0] = acc
		acc += step
		dst[1] = acc
		for i := 2; i < len(dst); i++ {
			step += dst[i]
			acc += step
			dst[i] = acc
		}
	}
}

// unpack answers the next plane of n bytes and what follows it. The plane is
// valid until the next call.
func (d *columnDecoder) unpack(b []byte, n int) (plane, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, errColumn
	}
	method := b[0]
	b = b[1:]
	switch method {
	case planeSame:
		if len(b) == 0 {
			return nil, nil, errColumn
		}
		plane = d.plane[:n]
		for i := range plane {
			plane[i] = b[0]
		}
		return plane, b[1:], nil
	case planeRaw:
		if len(b) < n {
			return nil, nil, errColumn
		}
		return b[:n], b[n:], nil
	}
	size, k := binary.Uvarint(b)
	if k <= 0 || size > uint64(len(b)-k) {
		return nil, nil, errColumn
	}
	packed, rest := b[k:k+int(size)], b[k+int(size):]
	switch method {
	case planeZstd:
		plane, err = d.zstd.DecodeAll(packed, d.plane[:0:n])
	case planeHuff1, planeHuff4:
		var data []byte
		if d.huff, data, err = huff0.ReadTable(packed, d.huff); err != nil {
			d.huff = new(huff0.Scratch)
			return nil, nil, errColumn
		}
		if method == planeHuff1 {
			plane, err = d.huff.Decoder().Decompress1X(d.plane[:0:n], data)
		} else {
			plane, err = d.huff.Decoder().Decompress4X(d.plane[:0:n], data)
		}
	default:
		return nil, nil, errColumn
	}
	if err != nil || len(plane) != n {
		return nil, nil, errColumn
	}
	return plane, rest, nil
}

func zigzag(x int64) uint64 { return uint64(x<<1) ^ uint64(x>>63) }
