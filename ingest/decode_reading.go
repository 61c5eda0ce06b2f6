package ingest

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"tidegate/store"
)

// reject gives the reading a reason; the first one stays.
func (it *item) reject(reason store.Reason, detail string) {
	if !it.rejected() {
		it.oddly().verdict = verdict{reason, detail}
	}
}

// time gives the reading a ts.
func (it *item) time(ts *timestamp) {
	switch ts.kind {
	case tsKnown:
		it.hasTS, it.ts = true, ts.ms
	case tsLocal:
		it.hasTS = true
		it.oddly().zoneless = ts.local
	case tsInvalid:
		it.hasTS = true
		it.reject(store.ReasonTSInvalid, ts.detail)
	}
}

// portText answers the port as it was sent, for a dead letter.
func (it *item) portText() string {
	switch {
	case it.portName != "":
		if len(it.portName) > maxPortName {
			return excerpt([]byte(it.portName))
		}
		return strings.Clone(it.portName)
	case it.hasPort:
		return strconv.Itoa(int(it.port))
	}
	return ""
}

// maxPortName is the longest name that a port can have, in bytes.
const maxPortName = 200

// The keys of a reading.
const (
	keyPort = 1 << iota
	keyValue
	keyTS
	keyQuality
)

// reading reads one reading at the cursor.
func (c *decoder) reading() bool {
	c.i++
	it := c.add()
	var ts timestamp
	// Keys come in any order, and the faults are told in a fixed one: it holds
	// that of port and value, quality is kept until the end.
	var value, quality item
	var seen uint8
	twice := ""
	for first := true; ; first = false {
		key, more := c.member(first)
		if !more {
			break
		}
		var bit uint8
		var ok bool
		switch string(key) {
		case "port":
			bit, ok = keyPort, c.port(it)
		case "value":
			bit, ok = keyValue, c.value(&value)
		case "ts":
			bit, ok = keyTS, c.timestamp(&ts)
		case "quality":
			bit, ok = keyQuality, c.quality(&quality)
		default:
			_, ok = c.skip()
		}
		if !ok {
			return false
		}
		if seen&bit != 0 && twice == "" {
			twice = string(key)
		}
		seen |= bit
	}
	if c.fault != "" {
		return false
	}
	if twice != "" {
		it.oddly().verdict = verdict{store.ReasonMalformedJSON, fmt.Sprintf("the key %q stands twice in one reading", twice)}
		return true
	}
	if seen&keyPort == 0 {
		it.reject(store.ReasonUnknownPort, `port is missing; expected {"port":1,"value":230.5}`)
	}
	if seen&keyValue == 0 {
		it.reject(store.ReasonValueMissing, `value is missing; expected {"port":1,"value":230.5}`)
	}
	it.value, it.quality = value.value, quality.quality
	for _, part := range []*item{&value, &quality} {
		if part.rejected() {
			it.reject(part.odd.reason, part.odd.detail)
		}
	}
	it.time(&ts)
	return true
}

// port reads the port of a reading.
func (c *decoder) port(it *item) bool {
	switch b := c.peek(); {
	case b == '"':
		name, ok := c.text()
		if !ok {
			return false
		}
		it.hasPort = len(name) > 0
		n, isNumber := portNumber(name)
		switch {
		case isNumber && n > math.MaxUint16:
			c.oddPort(it, name)
		case isNumber:
			it.port = uint16(n)
		case !it.hasPort:
			it.reject(store.ReasonUnknownPort, "port is empty; send the port's number or its name")
		default:
			it.portName = alias(name)
		}
		return true
	case b == '-' || isDigit(b):
		raw, ok := c.number()
		if !ok {
			return false
		}
		it.hasPort = true
		if n, plain := portNumber(raw); plain && n <= math.MaxUint16 {
			it.port = uint16(n)
		} else {
			c.oddPort(it, raw)
		}
		return true
	}
	raw, ok := c.skip()
	switch {
	case !ok:
	case raw[0] == 'n':
		it.reject(store.ReasonUnknownPort, "port is null; send the port's number or its name")
	default:
		it.reject(store.ReasonWrongType, fmt.Sprintf("port is %s; send the port's number or its name", kindOf(raw)))
	}
	return ok
}

// oddPort reads a port's number that is not written as one, such as 1.0.
func (c *decoder) oddPort(it *item, raw []byte) {
	v, err := strconv.ParseFloat(alias(raw), 64)
	if err == nil && v == math.Trunc(v) && v >= 0 && v <= math.MaxUint16 {
		it.port = uint16(v)
		return
	}
	it.portName = excerpt(raw)
	if err == nil && v != math.Trunc(v) {
		it.reject(store.ReasonWrongType, fmt.Sprintf("port %s is not a whole number", it.portName))
		return
	}
	it.reject(store.ReasonUnknownPort, fmt.Sprintf("port %s is outside 0 to 65535", it.portName))
}

// portNumber reads a port's number, which is all digits; ok says whether b is.
// A number above 65535 is just that.
func portNumber(b []byte) (n int, ok bool) {
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = min(n*10+int(c-'0'), math.MaxUint16+1)
	}
	return n, len(b) > 0
}

// value reads the value of a reading.
func (c *decoder) value(it *item) bool {
	switch b := c.peek(); {
	case b == '-' || isDigit(b):
		raw, ok := c.number()
		if ok {
			it.number(raw)
		}
		return ok
	case b == 't':
		it.value = 1
		return c.literal("true")
	case b == 'f':
		return c.literal("false")
	case b == '"':
		text, ok := c.text()
		if ok {
			it.numberText(text)
		}
		return ok
	}
	raw, ok := c.skip()
	switch {
	case !ok:
	case raw[0] == 'n':
		it.reject(store.ReasonValueMissing, "value is null; send a number, or leave the reading out")
	default:
		it.reject(store.ReasonWrongType, fmt.Sprintf("value is %s; send a number, true or false", kindOf(raw)))
	}
	return ok
}

// number takes the float64 nearest to a JSON number.
func (it *item) number(raw []byte) {
	v, err := strconv.ParseFloat(alias(raw), 64)
	if errors.Is(err, strconv.ErrRange) {
		it.reject(store.ReasonValueNotFinite, fmt.Sprintf("value %s is beyond what a float64 can hold", excerpt(raw)))
		return
	}
	it.value = v + 0 // −0 and 0 are equal: keep one of them
}

// numberText takes a string that is exactly a JSON number.
func (it *item) numberText(text []byte) {
	if isNumber(text) {
		it.number(text)
		return
	}
	said := "value " + quote(text)
	switch strings.ToLower(strings.TrimLeft(string(text[:min(len(text), excerptBytes)]), "+-")) {
	case "nan", "inf", "infinity":
		it.reject(store.ReasonValueNotFinite, said+" is not finite; send null, or leave the reading out")
		return
	}
	for i, b := range text {
		if b == ',' {
			point := append(append(append([]byte{}, text[:i]...), '.'), text[i+1:]...)
			if isNumber(point) && len(point) <= excerptBytes {
				it.reject(store.ReasonWrongType, fmt.Sprintf("%s is not a number; write %s", said, point))
				return
			}
			break
		}
	}
	it.reject(store.ReasonWrongType, said+" is not a number")
}

// quality reads the quality of a reading.
func (c *decoder) quality(it *item) bool {
	c.peek()
	start := c.i
	if c.i < len(c.b) && c.b[c.i] == '"' {
		text, ok := c.text()
		if !ok {
			return false
		}
		switch string(text) {
		case "good":
			return true
		case "uncertain":
			it.quality = store.Uncertain
			return true
		case "bad":
			it.quality = store.Bad
			return true
		}
	} else if _, ok := c.skip(); !ok {
		return false
	}
	if raw := c.b[start:c.i]; raw[0] != 'n' {
		it.reject(store.ReasonWrongType, fmt.Sprintf("quality is %s; send good, uncertain or bad", kindOf(raw)))
	}
	return true
}

// timestamp reads the ts of a message or a reading.
func (c *decoder) timestamp(ts *timestamp) bool {
	switch b := c.peek(); {
	case b == '"':
		text, ok := c.text()
		if ok {
			*ts = parseTime(text)
		}
		return ok
	case b == '-' || isDigit(b):
		raw, ok := c.number()
		if ok {
			*ts = parseEpoch(raw)
		}
		return ok
	}
	raw, ok := c.skip()
	if ok && raw[0] != 'n' {
		*ts = timestamp{kind: tsInvalid, detail: fmt.Sprintf("ts is %s; send RFC 3339 such as 2025-09-06T12:00:00Z, or epoch milliseconds", kindOf(raw))}
	}
	return ok
}
