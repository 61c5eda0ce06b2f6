package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestCheckJSON(t *testing.T) {
	for text, says := range map[string]string{
		`{}`: "", `null`: "null at byte 4: leave", `{"a":[null]}`: "null at byte 10", `"x"`: "", `[1,2,{"a":1},{"a":1}]`: "", `{"a":{"a":1},"b":{"a":1}}`: "", ` {"a" : [ ] } `: "",
		`{"a":1e308,"b":-0.0,"c":1E-400}`: "",
		`{"a":"a","b":"a"}`:               "", // values are no keys
		`{"a":1,"a":2}`:                   `the key "a" is there twice, at byte 10`,
		`{"a":1,"A":2}`:                   `"A" is there twice`,
		`{"k":1,"\u212a":2}`:              "twice", // the sign of Kelvin is a k to the decoder
		`{"a":1,"\u0061":2}`:              "twice",
		`[{"a":[{"b":1,"b":1}]}]`:         `"b" is there twice`,
		`{"a":{},"a":[]}`:                 "twice",
		`{"a":1e999}`:                     "number at byte 10 is out of range",
		`[-1e400]`:                        "out of range",
		`NaN`:                             "invalid character 'N'", `{"a":Infinity}`: "invalid character", `{"a":-}`: "invalid character",
		`{"a":1`: "unexpected end", `{"a":1}{"b":2}`: "after top-level value", `{a:1}`: "invalid character", `{"a":1,}`: "invalid character",
		"{\"a\":\"\xff\"}": "not UTF-8", "\xef\xbb\xbf{}": "invalid character", "{\"a\":\"\x00\"}": "invalid character",
		strings.Repeat("[", 32) + strings.Repeat("]", 32):                      "",
		strings.Repeat("[", 33) + strings.Repeat("]", 33):                      "deeper than 32",
		strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33):            "deeper than 32",
		strings.Repeat("[", 500_000):                                           "depth",
		"[" + strings.Repeat("1,", 100_000) + "1]":                             "",
		`{"a":1,"b":{"c":[1,2,{"d":false}],"e":true},"f":"` + "\\ud83d" + `"}`: "",
	} {
		err := checkJSON([]byte(text), true)
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%.60s: %v, want %q", text, err, says)
		}
	}
}

// TestNullChangesNothing: it is refused where it could be meant to.
func TestNullChangesNothing(t *testing.T) {
	for _, text := range []string{`null`, `[null]`, `{"a":null}`} {
		if checkJSON([]byte(text), true) == nil {
			t.Errorf("%s may be meant in two ways", text)
		}
		if err := checkJSON([]byte(text), false); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestFreeJSON: what is handed on as it is may be what a body may not.
func TestFreeJSON(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for text, says := range map[string]string{
		`{"free":null}`: "", `{"Free":[null]}`: "", `{"free":{"a":null,"A":{"b":1,"B":null}},"a":1}`: "", `{"a":{},"free":` + deep + `}`: "",
		`{"a":{"free":null}}`:                "null at byte 17",
		`{"free":{"free":null},"a":null}`:    "null at byte 30",
		`{"free":1,"a":[null]}`:              "null",
		`[{"free":null}]`:                    "null",
		`[` + deep + `]`:                     "deeper than 32",
		`{"free":[],"a":` + deep + `}`:       "deeper than 32",
		`{"free":1,"FREE":2}`:                "twice",
		`{"free":[{"a":1,"a":2}]}`:           `"a" is there twice`,
		`{"free":{"a":1},"a":1,"A":2}`:       "twice",
		`{"free":{"x":[-1e400]}}`:            "out of range",
		`{"free":{"a":1},"b":{"c":1,"C":1}}`: "twice",
	} {
		err := checkJSON([]byte(text), true, "free")
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%.60s: %v, want %q", text, err, says)
		}
	}
}

// FuzzCheckJSON: what passes decodes to the same whether the first of two keys
// counts or the last.
func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{"a":1,"b":[{"a":2}]}`, `{"a":1,"A":2}`, `[1,{"x":{"x":true}}]`, `[null]`, `1e999`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkJSON(b, false) != nil {
			return
		}
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatalf("%q passes, and does not decode: %v", b, err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if had, has := countTokens(t, b), countTokens(t, again); had != has {
			t.Errorf("%q passes, and of its %d tokens %d are left", b, had, has)
		}
	})
}

func countTokens(t *testing.T, b []byte) int {
	d := json.NewDecoder(bytes.NewReader(b))
	for n := 0; ; n++ {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
