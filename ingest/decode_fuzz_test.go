package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"tidegate/store"
)

// member is one member of a JSON object as encoding/json reads it.
type member struct {
	key   string
	value any // []member, []any, json.Number, string, bool, nil
}

// tree reads a document token by token, so that members that stand twice are
// seen twice.
func tree(d *json.Decoder) (any, error) {
	tok, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		o := []member{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := tree(d)
			if err != nil {
				return nil, err
			}
			o = append(o, member{key.(string), v})
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		a := []any{}
		for d.More() {
			v, err := tree(d)
			if err != nil {
				return nil, err
			}
			a = append(a, v)
		}
		_, err := d.Token()
		return a, err
	}
	return tok, nil
}

// one answers the only member of o with the key; n says how many there are.
func one(o []member, key string) (v any, n int) {
	for _, m := range o {
		if m.key == key {
			v = m.value
			n++
		}
	}
	return v, n
}

// expected is the plain second opinion on what a payload holds.
type expected struct {
	reason   store.Reason
	port     int // −1 none
	portName string
	value    float64
	quality  store.Quality
	hasTS    bool
}

func expect(doc any) []expected {
	objects, isArray := doc.([]any)
	if !isArray {
		objects = []any{doc}
	}
	if len(objects) == 0 {
		return []expected{{reason: store.ReasonValueMissing, port: -1}}
	}
	var out []expected
	for _, o := range objects {
		out = append(out, expectObject(o)...)
	}
	return out
}

func expectObject(v any) []expected {
	reject := func(r store.Reason) []expected { return []expected{{reason: r, port: -1}} }
	o, ok := v.([]member)
	if !ok {
		return reject(store.ReasonWrongType)
	}
	readings, n := one(o, "readings")
	ts, nTS := one(o, "ts")
	if n > 1 || nTS > 1 {
		return nil // told by the caller
	}
	list, isList := readings.([]any)
	switch {
	case readings == nil || (isList && len(list) == 0):
		return reject(store.ReasonValueMissing)
	case !isList:
		return reject(store.ReasonWrongType)
	}
	var out []expected
	for _, r := range list {
		e := expectReading(r)
		if e.reason == "" && !e.hasTS && ts != nil {
			e.hasTS = true
			if badTS(ts) {
				e.reason = store.ReasonTSInvalid
			}
		}
		out = append(out, e)
	}
	return out
}

func expectReading(v any) expected {
	e := expected{port: -1}
	o, ok := v.([]member)
	if !ok {
		e.reason = store.ReasonWrongType
		return e
	}
	for _, key := range []string{"port", "value", "ts", "quality"} {
		if _, n := one(o, key); n > 1 {
			e.reason = store.ReasonMalformedJSON
			return e
		}
	}
	reject := func(r store.Reason) {
		if e.reason == "" {
			e.reason = r
		}
	}
	port, _ := one(o, "port")
	switch p := port.(type) {
	case nil:
		reject(store.ReasonUnknownPort)
	case string:
		if strings.Trim(p, "0123456789") != "" {
			e.portName = p
		} else if n, err := strconv.ParseUint(p, 10, 16); err == nil {
			e.port = int(n)
		} else {
			reject(store.ReasonUnknownPort) // empty, or above 65535
		}
	case json.Number:
		f, err := p.Float64()
		switch {
		case err == nil && f != math.Trunc(f):
			reject(store.ReasonWrongType)
		case err != nil || f < 0 || f > 65535:
			reject(store.ReasonUnknownPort)
		default:
			e.port = int(f)
		}
	default:
		reject(store.ReasonWrongType)
	}
	value, _ := one(o, "value")
	switch v := value.(type) {
	case nil:
		reject(store.ReasonValueMissing)
	case bool:
		if v {
			e.value = 1
		}
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			reject(store.ReasonValueNotFinite)
		}
		e.value = f
	case string:
		var n json.Number
		switch {
		case slices.Contains([]string{"nan", "inf", "infinity"}, strings.ToLower(strings.TrimLeft(v, "+-"))):
			reject(store.ReasonValueNotFinite)
		case strings.TrimSpace(v) != v || json.Unmarshal([]byte(v), &n) != nil || strings.HasPrefix(v, `"`) || v == "null":
			reject(store.ReasonWrongType)
		default:
			f, err := n.Float64()
			if err != nil {
				reject(store.ReasonValueNotFinite)
			}
			e.value = f
		}
	default:
		reject(store.ReasonWrongType)
	}
	if e.value == 0 {
		e.value = 0 // not −0
	}
	quality, _ := one(o, "quality")
	if quality != nil {
		s, _ := quality.(string)
		if e.quality, ok = store.ParseQuality(s); !ok {
			reject(store.ReasonWrongType)
		}
	}
	ts, _ := one(o, "ts")
	e.hasTS = ts != nil
	if e.hasTS && badTS(ts) {
		reject(store.ReasonTSInvalid)
	}
	return e
}

func badTS(v any) bool {
	switch v := v.(type) {
	case string:
		return parseTime([]byte(v)).kind == tsInvalid
	case json.Number:
		return parseEpoch([]byte(v)).kind == tsInvalid
	}
	return true
}

// twiceAbove reports whether a message object has a known key twice.
func twiceAbove(doc any) bool {
	objects, ok := doc.([]any)
	if !ok {
		objects = []any{doc}
	}
	for _, o := range objects {
		m, _ := o.([]member)
		_, a := one(m, "ts")
		_, b := one(m, "readings")
		if a > 1 || b > 1 {
			return true
		}
	}
	return false
}

// depth bounds the nesting of a document from above.
func depth(b []byte) int {
	return max(bytes.Count(b, []byte("[")), 0) + bytes.Count(b, []byte("{"))
}

// FuzzDecode compares with encoding/json: what is JSON, how many readings it
// holds, which of them are wrong and why, and the bits of the values.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		string(telemetry(2)),
		`[{"ts":1757160000.5,"readings":[{"port":"a\u00e9","value":"-1.5e3","quality":"bad","ts":"2025-09-06T12:00:00"}]},{}]`,
		`{"readings":[{"port":1e0,"value":true},{"port":-1,"value":1e999},{"port":1,"value":"NaN"},{"port":1,"value":1,"value":2}]}`,
		`{"x":[[{"a":null}],"\ud800\n"],"readings":[{"port":1,"value":-0}]} `,
		`{"readings":[{"port":1,"value":0123}]}`, `{"readings":[{"port":1,"value":1},]}`, "\ufeff{}", `[[]]`, `"a`, `{"a\u12g4":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(checkDecode)
}

// TestDecodeRandom compares the same for documents made by the grammar, with
// what people get wrong sprinkled in.
func TestDecodeRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		checkDecode(t, []byte(randomPayload(r)))
		if t.Failed() {
			return
		}
	}
}

func randomPayload(r *rand.Rand) string {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	number := func() string {
		if r.IntN(2) == 0 {
			return strconv.FormatFloat(math.Float64frombits(r.Uint64()&^(1<<62)), pick("g", "e", "f")[0], r.IntN(20)-1, 64)
		}
		return pick("0", "-0", "1e5", "-1.25E-3", "1e400", "123456789012345678901234567890", "0.1", "01", "1.", "-", "4.9e-324", "2.4e-324")
	}
	value := func() string {
		return pick(number(), `"`+number()+`"`, "true", "false", "null", `"NaN"`, `"x"`, `"1,5"`, "[]", `{"value":1}`, `"1"`, "NaN")
	}
	ts := func() string {
		return pick("1757160000", "1757160000123", "1757160000.5", `"2025-09-06T12:00:00Z"`, `"2025-09-06T12:00:00"`, `"2025-09-06T12:00:00.5+02:00"`, "null", "true", `"x"`, "1e99")
	}
	reading := func() string {
		var m []string
		for range r.IntN(5) {
			m = append(m, pick(
				`"port":`+pick("1", "65535", "65536", "-1", "1.0", "1.5", `"1"`, `"007"`, `"p"`, `"ü"`, `""`, "null", "{}"),
				`"value":`+value(), `"value":`+value(), `"ts":`+ts(),
				`"quality":`+pick(`"good"`, `"bad"`, `"uncertain"`, `"Bad"`, "null", "1"), `"extra":`+value(), `"port":2`))
		}
		return pick("{"+strings.Join(m, ",")+"}", `{"port":1,"value":`+value()+`}`, `{"port":"a", "value" : `+value()+`,"ts":`+ts()+"}", value())
	}
	object := func() string {
		var list []string
		for range r.IntN(4) {
			list = append(list, reading())
		}
		readings := `"readings":` + pick("["+strings.Join(list, ",")+"]", "["+strings.Join(list, " , ")+" ]", value())
		return pick("{"+readings+"}", `{"ts":`+ts()+","+readings+"}", "{"+readings+` , "ts" : `+ts()+`,"x":`+value()+"}", reading())
	}
	s := object()
	if r.IntN(3) == 0 {
		s = "[" + s + "," + object() + "]"
	}
	if r.IntN(10) == 0 { // a slip of the pen
		i := r.IntN(len(s))
		s = s[:i] + pick("", ",", "}", `"`, " ", "\\", "\n", "e", "\xff") + s[i+r.IntN(2):]
	}
	return s
}

func checkDecode(t *testing.T, b []byte) {
	if depth(b) > maxDepth {
		return
	}
	kept := bytes.Clone(b)
	d := getDecoded()
	defer putDecoded(d)
	decode(b, d)
	if !bytes.Equal(b, kept) {
		t.Fatal("the payload was changed")
	}
	if d.detail != "" && (strings.ContainsAny(d.detail, "\n\r\x1b") || len(d.detail) > 1000) {
		t.Errorf("detail %q", d.detail)
	}
	switch {
	case !utf8.Valid(b):
		if d.reason != store.ReasonInvalidUTF8 {
			t.Fatalf("%q is not UTF-8, but %q", b, d.reason)
		}
		return
	case json.Valid(b) != (d.reason == ""):
		t.Fatalf("%q is JSON: %v, but %s %s", b, json.Valid(b), d.reason, d.detail)
	case d.reason != "":
		if d.reason != store.ReasonMalformedJSON || d.count() != 1 {
			t.Fatalf("%q: %s, counts %d", b, d.reason, d.count())
		}
		return
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	doc, err := tree(dec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if len(d.items) == 0 {
		t.Fatalf("%q holds nothing", b)
	}
	if twiceAbove(doc) {
		return
	}
	want := expect(doc)
	if len(want) != len(d.items) {
		t.Fatalf("%q holds %d readings, want %d", b, len(d.items), len(want))
	}
	for i, w := range want {
		it := &d.items[i]
		if it.verdict().reason != w.reason {
			t.Fatalf("%q reading %d: %q %s, want %q", b, i, it.verdict().reason, it.verdict().detail, w.reason)
		}
		if it.rejected() {
			continue
		}
		if math.Float64bits(it.value) != math.Float64bits(w.value) || it.quality != w.quality || it.hasTS != w.hasTS ||
			it.portName != w.portName || (w.port >= 0 && int(it.port) != w.port) {
			t.Fatalf("%q reading %d: %+v, want %+v", b, i, *it, w)
		}
	}
}
