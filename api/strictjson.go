package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxJSONDepth is several times what any body here needs.
const maxJSONDepth = 32

// checkJSON refuses, beside what is not JSON, that which two readers of it may
// understand differently: a key that an object has twice, also in another case,
// because one reader takes the first and the other the last; text that is not
// UTF-8, whose bytes would be replaced; numbers that no float64 holds; and, in a
// change, null, which one writer means as "leave it" and another as "take it
// away". An ambiguous order to a plant is no order.
//
// What the object has under one of the free keys, in lower case, is somebody
// else's: it may have null, keys that differ in case alone, and as much depth as the decoder takes.
func checkJSON(b []byte, change bool, free ...string) error {
	if !utf8.Valid(b) {
		return errors.New("it is not UTF-8")
	}
	var syntax *json.SyntaxError
	if err := json.Unmarshal(b, new(json.RawMessage)); errors.As(err, &syntax) {
		return fmt.Errorf("%s, at byte %d", syntax, syntax.Offset)
	} else if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var open []jsonFrame
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		within := len(open) > 0 && slices.Contains(free, open[0].key) && (open[0].value || len(open) > 1)
		if t == nil && change && !within {
			return fmt.Errorf("null at byte %d: leave the key out to change nothing", d.InputOffset())
		}
		if n, ok := t.(json.Number); ok {
			if _, err := strconv.ParseFloat(n.String(), 64); err != nil {
				return fmt.Errorf("the number at byte %d is out of range", d.InputOffset())
			}
		}
		if closes := t == json.Delim('}') || t == json.Delim(']'); closes {
			open = open[:len(open)-1]
			continue
		}
		if len(open) > 0 {
			if twice, key := open[len(open)-1].takes(t); twice {
				return fmt.Errorf("the key %q is there twice, at byte %d", key, d.InputOffset())
			}
		}
		if t == json.Delim('{') || t == json.Delim('[') {
			if len(open) == maxJSONDepth && !within {
				return fmt.Errorf("it is nested deeper than %d levels", maxJSONDepth)
			}
			f := jsonFrame{exact: within}
			if t == json.Delim('{') {
				f.keys = map[string]bool{}
			}
			open = append(open, f)
		}
	}
}

// jsonFrame is an array or an object that is being read.
type jsonFrame struct {
	keys  map[string]bool // in lower case; nil: an array
	value bool            // the next token of an object is a value
	key   string          // the last one of an object, as it is compared
	exact bool            // keys that differ in case are two
}

// takes notes the next token, and reports a key that the object has already.
func (f *jsonFrame) takes(t json.Token) (twice bool, key string) {
	if f.keys == nil {
		return false, ""
	}
	f.value = !f.value
	if !f.value {
		return false, ""
	}
	key, _ = t.(string) // an object's keys are strings
	folded := key
	if !f.exact {
		folded = strings.ToLower(strings.ToUpper(key)) // as the decoder matches fields
	}
	f.key = folded
	twice = f.keys[folded]
	f.keys[folded] = true
	return twice, key
}
