package alert

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// version of the state. A later program reads the earlier ones.
const version = 1

// errState is the answer to what no watch has written.
var errState = errors.New("not the state of a watch")

// What follows the fixed part.
const (
	hasBefore = 1 << iota
	hasMemory
	isClosed
	hasSeen
)

// AppendBinary appends the whole state, so that UnmarshalBinary of it goes on as
// w would. It has some 110 bytes for levels, and at most 600.
func (w *Watch) AppendBinary(b []byte) []byte {
	var flags byte
	if w.before != nil {
		flags |= hasBefore
	}
	if w.memory != nil {
		flags |= hasMemory
		if w.memory.seen {
			flags |= hasSeen
		}
	}
	if w.closed {
		flags |= isClosed
	}
	b = append(b, version, flags, byte(w.state), byte(w.end))
	b = binary.AppendUvarint(b, uint64(w.flaps))
	for _, t := range []int64{w.last, w.since, w.until, w.hours, w.mark} {
		b = binary.AppendVarint(b, t)
	}
	b = w.record.append(b)
	if p := w.before; p != nil {
		b = binary.AppendUvarint(append(b, byte(p.end)), uint64(p.flaps))
		b = p.record.append(b)
	}
	if w.memory != nil {
		b = w.memory.append(b)
	}
	return b
}

func (r *record) append(b []byte) []byte {
	for _, t := range []int64{r.startedAt, r.firedAt, r.resolvedAt, r.worstAt} {
		b = binary.AppendVarint(b, t)
	}
	return appendFloats(b, r.first, r.worst, r.latest, r.severity)
}

func (m *memory) append(b []byte) []byte {
	b = binary.AppendVarint(b, m.from)
	b = binary.AppendUvarint(b, uint64(m.count))
	b = appendFloats(b, m.value, m.mean, m.variance, m.cadence)
	b = append(b, byte(len(m.anchors)), byte(len(m.intervals)))
	for _, a := range m.anchors {
		b = appendFloats(binary.AppendVarint(b, a.at), a.value)
	}
	return appendFloats(b, m.intervals...)
}

func appendFloats(b []byte, v ...float64) []byte {
	for _, f := range v {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	}
	return b
}

// UnmarshalBinary is the inverse of AppendBinary. What is not such a state is an
// error, and leaves w as it was.
func (w *Watch) UnmarshalBinary(b []byte) error {
	if len(b) > 0 && b[0] > version {
		return fmt.Errorf("read watch: state of version %d, this program knows %d: it was written by a later one", b[0], version)
	}
	r := reader{b: b}
	if r.byte() != version {
		return fmt.Errorf("read watch: %w", errState)
	}
	flags := r.byte()
	v := Watch{state: State(r.byte()), end: ending(r.byte()), closed: flags&isClosed != 0, flaps: r.uint32()}
	for _, t := range []*int64{&v.last, &v.since, &v.until, &v.hours, &v.mark} {
		*t = r.varint()
	}
	v.record = r.record()
	if flags&hasBefore != 0 {
		v.before = &past{end: ending(r.byte()), flaps: r.uint32(), record: r.record()}
		r.check(int(v.before.end) < len(endings))
	}
	if flags&hasMemory != 0 {
		v.memory = r.memory()
		v.memory.seen = flags&hasSeen != 0
	}
	r.check(flags < hasSeen<<1 && v.state <= Resolved && int(v.end) < len(endings) && len(r.b) == 0)
	r.check(v.before == nil || v.state == Pending)
	if r.bad {
		return fmt.Errorf("read watch: %w", errState)
	}
	*w = v
	return nil
}

// reader takes a state apart. After the first thing that is wrong it answers
// zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) check(ok bool) {
	if !ok {
		r.b, r.bad = nil, true
	}
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.check(false)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint32() uint32 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > math.MaxUint32 {
		r.check(false)
		return 0
	}
	r.b = r.b[n:]
	return uint32(v)
}

func (r *reader) float() float64 {
	if len(r.b) < 8 {
		r.check(false)
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.b))
	r.b = r.b[8:]
	return v
}

func (r *reader) record() record {
	return record{
		startedAt: r.varint(), firedAt: r.varint(), resolvedAt: r.varint(), worstAt: r.varint(),
		first: r.float(), worst: r.float(), latest: r.float(), severity: r.float(),
	}
}

func (r *reader) memory() *memory {
	m := &memory{from: r.varint(), count: r.uint32(), value: r.float(), mean: r.float(), variance: r.float(), cadence: r.float()}
	anchors, intervals := int(r.byte()), int(r.byte())
	r.check(anchors <= maxAnchors && intervals < learnIntervals)
	if r.bad {
		return m
	}
	if anchors > 0 {
		m.anchors = make([]anchor, 0, maxAnchors)
	}
	for range anchors {
		m.anchors = append(m.anchors, anchor{at: r.varint(), value: r.float()})
	}
	for range intervals {
		m.intervals = append(m.intervals, r.float())
	}
	return m
}
