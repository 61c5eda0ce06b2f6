package bench

import (
	"encoding/binary"
	"strconv"
	"time"
)

// encoder makes PUBLISH packets by filling digits into a template.
type encoder struct {
	template []byte
	id, ts   int
	values   []int
	start    int64
	step     int64
}

// valueDigits is the width of each value: ddd.d.
const valueDigits = 5

func newEncoder(topic string, readings int, start time.Time, step time.Duration) *encoder {
	e := &encoder{start: start.UnixMilli(), step: step.Milliseconds()}
	body := appendString(nil, topic)
	e.id = len(body)
	body = append(body, 0, 0)
	body = append(body, `{"ts":`...)
	e.ts = len(body)
	body = append(body, `0000000000000,"readings":[`...)
	for i := range readings {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"port":`...)
		body = strconv.AppendInt(body, int64(i+1), 10)
		body = append(body, `,"value":`...)
		e.values = append(e.values, len(body))
		body = append(body, `000.0}`...)
	}
	body = append(body, `]}`...)
	head := append([]byte{0x32}, remaining(len(body))...)
	e.id += len(head)
	e.ts += len(head)
	for i := range e.values {
		e.values[i] += len(head)
	}
	e.template = append(head, body...)
	return e
}

func (e *encoder) size() int { return len(e.template) }

// Value answers what message i says for the reading at index k, in tenths.
func Value(i, k int) int { return 1000 + (i*7+k*131)%1500 + i%13 }

func (e *encoder) append(dst []byte, id uint16, i int) []byte {
	at := len(dst)
	dst = append(dst, e.template...)
	p := dst[at:]
	p[e.id], p[e.id+1] = byte(id>>8), byte(id)
	digits(p[e.ts:e.ts+13], e.start+int64(i)*e.step)
	for k, off := range e.values {
		v := Value(i, k)
		digits(p[off:off+3], int64(v/10))
		p[off+valueDigits-1] = byte('0' + v%10)
	}
	return dst
}

func digits(p []byte, n int64) {
	for i := len(p) - 1; i >= 0; i-- {
		p[i] = byte('0' + n%10)
		n /= 10
	}
}

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

func remaining(n int) []byte {
	var out []byte
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n > 0 {
			b |= 0x80
		}
		out = append(out, b)
		if n == 0 {
			return out
		}
	}
}
