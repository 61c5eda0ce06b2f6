package embedded

import (
	"encoding/binary"
	"math"
)

// A column of values is kept as decimals, because sensors speak in decimals:
// value = mantissa / 10^scale, with one scale for the block. The division of
// two exactly represented numbers rounds correctly, so it gives back the very
// bits that parsing the decimal gave. Values that no mantissa gives back (−0,
// subnormals, results of arithmetic) are exceptions; where these are many, the
// bits themselves are the integers.
//
//	kind     byte: valueBits, or the scale (0 to maxScale)
//	count    uvarint, of exceptions; absent with valueBits
//	         each: uvarint distance to the one before, 8 bytes of bits
//	column   of mantissas, or of bits
const (
	maxScale    = 18
	maxMantissa = 1 << 53
	valueBits   = 0xff
)

// valueEncoder turns values into columns.
type valueEncoder struct {
	*columnEncoder
	pow        [maxScale + 1]float64
	mantissas  []int64
	exceptions []int
	out        []byte
}

func powersOfTen() (p [maxScale + 1]float64) {
	for i := range p {
		p[i] = math.Pow10(i) // exact up to 10^22
	}
	return p
}

func newValueEncoder(c *columnEncoder) *valueEncoder {
	return &valueEncoder{columnEncoder: c, pow: powersOfTen()}
}

// appendValues appends the column of v, which is not empty, to dst.
func (e *valueEncoder) appendValues(dst []byte, v []float64) []byte {
	scale := e.decimals(v)
	start := len(dst)
	if len(e.exceptions) <= len(v)/8 {
		dst = append(dst, byte(scale))
		dst = binary.AppendUvarint(dst, uint64(len(e.exceptions)))
		prev := 0
		for _, i := range e.exceptions {
			dst = binary.AppendUvarint(dst, uint64(i-prev))
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v[i]))
			prev = i
		}
		dst = e.appendInts(dst, e.mantissas)
		if len(dst)-start < 3*len(v) || len(v) < minPacked && len(e.exceptions) == 0 {
			return dst
		}
	}
	for i, x := range v {
		e.mantissas[i] = int64(math.Float64bits(x))
	}
	e.out = e.appendInts(append(e.out[:0], valueBits), e.mantissas)
	if len(dst) > start && len(dst)-start <= len(e.out) {
		return dst
	}
	return append(dst[:start], e.out...)
}

// decimals leaves the mantissas in e.mantissas and the indices of those values
// that have none in e.exceptions. It answers the scale, for which a digit more
// for all was weighed against an exception for some.
func (e *valueEncoder) decimals(v []float64) (scale int) {
	const exceptionBytes, digitBytes = 10, 0.41 // log2(10)/8
	var needs [maxScale + 2]int
	k := 0
	for _, x := range v {
		k = e.need(x, min(k, maxScale))
		needs[k]++
	}
	above := len(v)
	best := math.Inf(1)
	for k := range maxScale + 1 {
		above -= needs[k]
		if cost := float64(above*exceptionBytes) + digitBytes*float64(k*len(v)); cost < best {
			best, scale = cost, k
		}
	}
	e.mantissas, e.exceptions = e.mantissas[:0], e.exceptions[:0]
	var last int64
	for i, x := range v {
		m, ok := e.mantissa(x, scale)
		if !ok {
			e.exceptions = append(e.exceptions, i)
			m = last // costs nothing
		}
		e.mantissas = append(e.mantissas, m)
		last = m
	}
	return scale
}

// need answers the smallest scale that suits x, above maxScale when none does.
// The search begins at guess.
func (e *valueEncoder) need(x float64, guess int) int {
	if _, ok := e.mantissa(x, guess); ok {
		for guess > 0 {
			if _, ok := e.mantissa(x, guess-1); !ok {
				break
			}
			guess--
		}
		return guess
	}
	for guess++; guess <= maxScale; guess++ {
		if _, ok := e.mantissa(x, guess); ok {
			break
		}
	}
	return guess
}

func (e *valueEncoder) mantissa(x float64, scale int) (int64, bool) {
	m := math.RoundToEven(x * e.pow[scale])
	if !(math.Abs(m) < maxMantissa) {
		return 0, false
	}
	return int64(m), math.Float64bits(float64(int64(m))/e.pow[scale]) == math.Float64bits(x)
}

// valueDecoder is the inverse.
type valueDecoder struct {
	*columnDecoder
	pow [maxScale + 1]float64
	buf []int64
}

func (d *valueDecoder) values(dst []float64, b []byte) error {
	if len(b) == 0 {
		return errColumn
	}
	kind := b[0]
	b = b[1:]
	d.buf = grown(d.buf, len(dst))
	m := d.buf
	if kind == valueBits {
		if err := d.ints(m, b); err != nil {
			return err
		}
		for i, x := range m {
			dst[i] = math.Float64frombits(uint64(x))
		}
		return nil
	}
	if kind > maxScale {
		return errColumn
	}
	count, n := binary.Uvarint(b)
	if n <= 0 || count > uint64(len(dst)) || count*9 > uint64(len(b)) {
		return errColumn
	}
	exceptions := b[n:]
	b = exceptions
	for range count {
		_, n := binary.Uvarint(b)
		if n <= 0 || len(b) < n+8 {
			return errColumn
		}
		b = b[n+8:]
	}
	if err := d.ints(m, b); err != nil {
		return err
	}
	if kind == 0 {
		for i, x := range m {
			dst[i] = float64(x)
		}
	} else {
		pow := d.pow[kind]
		for i, x := range m {
			dst[i] = float64(x) / pow
		}
	}
	at := uint64(0)
	for range count {
		step, n := binary.Uvarint(exceptions)
		if at += step; at >= uint64(len(dst)) {
			return errColumn
		}
		dst[at] = math.Float64frombits(binary.LittleEndian.Uint64(exceptions[n:]))
		exceptions = exceptions[n+8:]
	}
	return nil
}
