package mongo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"tidegate/store"
)

// The body of an intent, a plan as the journal keeps it. All integers are
// varints; it has about 13 bytes a reading, and is gone when the flush is done.
//
//	version, through, begun (ms), numbered, principal
//	lanes: each the number of its commands; each command:
//	  number, parts; each part:
//	    uid, port, org, device
//	    calibrations: number, scaling, offset (8 bytes each)
//	    readings: ts (difference), raw (8 bytes), ingestTs (difference to the one
//	      before), calibration, quality and flags (a byte)
//	    unregistered: ts each
//	    messages: each its bytes and the ts that it belongs to
const (
	intentVersion = 1
	intentBytes   = 16 // of a reading, at most as a rule
)

// encode appends the plan.
func (p *plan) encode(b []byte) []byte {
	b = append(b, intentVersion)
	b = binary.AppendUvarint(b, p.through)
	b = binary.AppendVarint(b, p.begun.UnixMilli())
	b = appendBool(b, p.numbered)
	b = appendText(b, p.principal)
	b = binary.AppendUvarint(b, uint64(len(p.lanes)))
	for _, lane := range p.lanes {
		b = binary.AppendUvarint(b, uint64(len(lane)))
		for _, c := range lane {
			b = binary.AppendVarint(b, c.number)
			b = binary.AppendUvarint(b, uint64(len(c.parts)))
			for i := range c.parts {
				b = c.parts[i].encode(b)
			}
		}
	}
	return b
}

func (p *part) encode(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(p.series.UID))
	b = binary.AppendUvarint(b, uint64(p.series.Port))
	b = appendText(b, p.org)
	b = appendText(b, p.device)
	b = binary.AppendUvarint(b, uint64(len(p.cals)))
	for _, c := range p.cals {
		b = binary.AppendUvarint(b, uint64(c.Number))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.Scaling))
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.Offset))
	}
	n := 0
	for _, run := range p.runs {
		n += len(run)
	}
	b = binary.AppendUvarint(b, uint64(n))
	var ts, ingest int64
	var unregistered []int64
	messages := map[string][]int64{}
	var order []string
	for _, run := range p.runs {
		for i := range run {
			s := &run[i]
			b = binary.AppendVarint(b, s.TS-ts)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s.Raw))
			b = binary.AppendVarint(b, s.IngestTS-ingest)
			b = binary.AppendUvarint(b, uint64(s.Calibration))
			b = append(b, byte(s.Quality)|byte(s.Flags)<<2)
			ts, ingest = s.TS, s.IngestTS
			if p.unregistered[ts] {
				unregistered = append(unregistered, ts)
			}
			if m := p.payloads[ts]; m != "" {
				if messages[m] == nil {
					order = append(order, m)
				}
				messages[m] = append(messages[m], ts)
			}
		}
	}
	b = appendTimes(b, unregistered)
	b = binary.AppendUvarint(b, uint64(len(order)))
	for _, m := range order {
		b = appendText(b, m)
		b = appendTimes(b, messages[m])
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTimes(b []byte, times []int64) []byte {
	b = binary.AppendUvarint(b, uint64(len(times)))
	for _, t := range times {
		b = binary.AppendVarint(b, t)
	}
	return b
}

// errIntent says that the body of an intent is not one.
var errIntent = errors.New("the intent in the journal is not readable by this tidegate; run the one that wrote it once")

// intentReader takes a body apart; the first fault ends it.
type intentReader struct {
	b   []byte
	bad bool
}

func decodePlan(body []byte) (*plan, error) {
	r := &intentReader{b: body}
	if v := r.byte(); v != intentVersion {
		return nil, fmt.Errorf("%w: version %d", errIntent, v)
	}
	p := &plan{through: r.uint(), begun: time.UnixMilli(r.int()), numbered: r.byte() == 1, principal: r.text()}
	for lane := range r.count() {
		var commands []*command
		for range r.count() {
			c := &command{lane: lane, number: r.int()}
			for range r.count() {
				c.parts = append(c.parts, r.part())
			}
			for i := range c.parts {
				c.docs += len(c.parts[i].runs[0])
			}
			commands = append(commands, c)
		}
		p.lanes = append(p.lanes, commands)
	}
	if r.bad || len(r.b) > 0 {
		return nil, fmt.Errorf("%w: %d bytes are left over, or it is cut short", errIntent, len(r.b))
	}
	return p, nil
}

func (r *intentReader) part() part {
	p := part{series: store.Series{UID: uint32(r.uint()), Port: uint16(r.uint())}, org: r.text(), device: r.text()}
	for range r.count() {
		p.cals = append(p.cals, store.Calibration{Number: uint16(r.uint()), Scaling: r.float(), Offset: r.float()})
	}
	samples := make([]store.Sample, r.count())
	var ts, ingest int64
	for i := range samples {
		ts += r.int()
		raw := r.float()
		ingest += r.int()
		cal, kind := uint16(r.uint()), r.byte()
		samples[i] = store.Sample{TS: ts, Raw: raw, IngestTS: ingest, Calibration: cal, Quality: store.Quality(kind & 3), Flags: store.Flags(kind >> 2)}
	}
	p.runs = [][]store.Sample{samples}
	for range r.count() {
		if p.unregistered == nil {
			p.unregistered = map[int64]bool{}
		}
		p.unregistered[r.int()] = true
	}
	for range r.count() {
		m := r.text()
		if p.payloads == nil {
			p.payloads = map[int64]string{}
		}
		for range r.count() {
			p.payloads[r.int()] = m
		}
	}
	return p
}

func (r *intentReader) fail() { r.bad, r.b = true, nil }

func (r *intentReader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *intentReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *intentReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count answers how many follow; each takes a byte at least.
func (r *intentReader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *intentReader) float() float64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.b))
	r.b = r.b[8:]
	return v
}

func (r *intentReader) text() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = slices.Clip(r.b[n:])
	return s
}
