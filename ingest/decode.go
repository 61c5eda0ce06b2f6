package ingest

import (
	"fmt"
	"sync"
	"unicode/utf8"

	"tidegate/store"
)

// decode fills d with what b holds. It is strict JSON and the shapes of the
// telemetry topic:
//
//	{"ts":T,"readings":[{"port":P,"value":V,"ts":T,"quality":Q}, …]}
//
// or an array of such objects. P is a number, or a name; a string of nothing
// but digits is a number. V is a number, true, false, or a string that is exactly a number;
// −0 is read as 0. Q is good, uncertain or bad. T is described at parseTime and
// parseEpoch; a reading without takes the message's. Null stands for absent.
// Unknown keys are ignored.
//
// Whatever is wrong with one reading rejects that reading. An object that
// cannot be told apart into readings is rejected as one, and its neighbours in
// an array are not; a document that is no JSON is rejected as one. Of several
// faults of a reading the first in the order port, value, quality, ts is told,
// so that ts_invalid means that all else is right.
//
// The strings of d are parts of b. A payload of good readings costs no
// allocation in steady state.
func decode(b []byte, d *decoded) {
	d.reset()
	switch {
	case len(b) > MaxPayloadBytes:
		d.tooLarge(len(b))
		return
	case !utf8.Valid(b):
		i := invalidAt(b)
		d.reject(store.ReasonInvalidUTF8, fmt.Sprintf(`byte 0x%02x at offset %d is not UTF-8; send the payload in UTF-8`, b[i], i))
		return
	}
	c := decoder{payload: payload{b: b}, d: d}
	if !c.document() || !c.end() {
		d.reject(store.ReasonMalformedJSON, c.describe())
		return
	}
	if c.total > MaxReadings {
		d.reject(store.ReasonTooManyReadings, fmt.Sprintf("%d readings in one message; at most %d: send several messages", c.total, MaxReadings))
	}
}

// decodeMessage fills d with what m holds, also when m was read back from the
// log, where a payload that is too large is kept in part.
func decodeMessage(m *Message, d *decoded) {
	if m.size > MaxPayloadBytes {
		d.reset()
		d.tooLarge(m.size)
		return
	}
	decode(m.Payload, d)
}

// decodedPool keeps the memory of decoded, nothing of their content.
var decodedPool = sync.Pool{New: func() any { return new(decoded) }}

// pooledItems bounds the memory that one decoded keeps in the pool.
const pooledItems = 1024

func getDecoded() *decoded { return decodedPool.Get().(*decoded) }

// putDecoded takes d back; nobody may use it, or an item of it, any more.
func putDecoded(d *decoded) {
	if cap(d.items) > pooledItems {
		return
	}
	d.reset()
	decodedPool.Put(d)
}

// reset empties d; it lets go of the payload.
func (d *decoded) reset() {
	clear(d.items)
	d.reason, d.detail, d.items = "", "", d.items[:0]
}

// reject rejects the whole message.
func (d *decoded) reject(reason store.Reason, detail string) {
	d.reset()
	d.reason, d.detail = reason, detail
}

func (d *decoded) tooLarge(size int) {
	d.reject(store.ReasonPayloadTooLarge, fmt.Sprintf("the payload has %d bytes, and at most 1 MiB (%d) is taken: send several messages", size, MaxPayloadBytes))
}

// decoder fills a decoded from a payload. Its methods answer false at a fault
// of the syntax, which rejects the whole.
type decoder struct {
	payload
	d     *decoded
	total int // readings so far; above MaxReadings they are only counted
}

func (c *decoder) document() bool {
	switch c.peek() {
	case '{':
		return c.object()
	case '[':
		c.i++
		n := 0
		for first := true; c.element(first); first = false {
			switch {
			case c.peek() == '{':
				if !c.object() {
					return false
				}
			case c.full():
				if !c.countOnly() {
					return false
				}
			default:
				raw, ok := c.skip()
				if !ok {
					return false
				}
				c.add().reject(store.ReasonWrongType, fmt.Sprintf("element %d of the array is %s; %s", n, kindOf(raw), expectedMessage))
			}
			n++
		}
		if n == 0 && c.fault == "" {
			c.add().reject(store.ReasonValueMissing, "the array is empty; "+expectedMessage)
		}
		return c.fault == ""
	}
	raw, ok := c.skip()
	if ok {
		c.add().reject(store.ReasonWrongType, fmt.Sprintf("the payload is %s; %s", kindOf(raw), expectedMessage))
	}
	return ok
}

// add answers a new reading.
func (c *decoder) add() *item {
	c.total++
	c.d.items = append(c.d.items, item{})
	return &c.d.items[len(c.d.items)-1]
}

// full says that there are too many readings if one more follows, so that what
// follows is only counted: it costs no memory.
func (c *decoder) full() bool { return c.total >= MaxReadings }

func (c *decoder) countOnly() bool {
	c.total++
	_, ok := c.skip()
	return ok
}

// object reads one message object at the cursor.
func (c *decoder) object() bool {
	c.i++
	start, total := len(c.d.items), c.total
	var ts timestamp
	var fault item // when it has a reason the object is rejected as one reading
	var hasTS, hasReadings bool
	for first := true; ; first = false {
		key, more := c.member(first)
		if !more {
			break
		}
		var ok bool
		switch string(key) {
		case "ts":
			if hasTS {
				fault.reject(store.ReasonMalformedJSON, `the key "ts" stands twice in one object`)
			}
			hasTS = true
			ok = c.timestamp(&ts)
		case "readings":
			if hasReadings {
				fault.reject(store.ReasonMalformedJSON, `the key "readings" stands twice in one object`)
			}
			hasReadings = true
			ok = c.readings(&fault)
		default:
			_, ok = c.skip()
		}
		if !ok {
			return false
		}
	}
	if c.fault != "" {
		return false
	}
	if !hasReadings {
		fault.reject(store.ReasonValueMissing, "readings is missing; "+expectedMessage)
	}
	if fault.rejected() {
		clear(c.d.items[start:])
		c.d.items, c.total = c.d.items[:start], total
		if c.full() {
			c.total++
		} else {
			c.add().odd = fault.odd
		}
		return true
	}
	if ts.kind != tsAbsent {
		for i := start; i < len(c.d.items); i++ {
			if it := &c.d.items[i]; !it.rejected() && !it.hasTS {
				it.time(&ts)
			}
		}
	}
	return true
}

// readings reads the array of readings at the cursor, or tells fault why it is
// none.
func (c *decoder) readings(fault *item) bool {
	if c.peek() != '[' {
		raw, ok := c.skip()
		switch {
		case !ok:
		case raw[0] == 'n':
			fault.reject(store.ReasonValueMissing, "readings is null; "+expectedMessage)
		default:
			fault.reject(store.ReasonWrongType, fmt.Sprintf("readings is %s, not an array; %s", kindOf(raw), expectedMessage))
		}
		return ok
	}
	c.i++
	before := c.total
	for first := true; c.element(first); first = false {
		if c.full() {
			if !c.countOnly() {
				return false
			}
			continue
		}
		if c.peek() == '{' {
			if !c.reading() {
				return false
			}
			continue
		}
		raw, ok := c.skip()
		if !ok {
			return false
		}
		c.add().reject(store.ReasonWrongType, fmt.Sprintf(`reading is %s; expected {"port":1,"value":230.5}`, kindOf(raw)))
	}
	if c.total == before && c.fault == "" {
		fault.reject(store.ReasonValueMissing, "readings is empty; "+expectedMessage)
	}
	return c.fault == ""
}
