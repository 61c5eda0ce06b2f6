package template_test

import (
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"tidegate/ingest/template"
)

var known = []string{"device", "value", "unit", "label.*"}

func values(name string) (string, bool) {
	v, ok := map[string]string{"device": "pump {value} & co", "value": "21.5", "label.site": "north \"1\"\nhall"}[name]
	return v, ok
}

func TestAppend(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"", ""},
		{"no placeholder", "no placeholder"},
		{"{value}", "21.5"},
		{"{value}{value}", "21.521.5"},
		{"a {value} b", "a 21.5 b"},
		{"a value is not looked at: {device}", "a value is not looked at: pump {value} & co"},
		{"absent: [{unit}]", "absent: []"},
		{"absent label: [{label.none}]", "absent label: []"},
		{"{{value}", "{value}"},
		{"{{{value}}", "{21.5}"},
		{"{{{{", "{{"},
		{"}} }", "}} }"},
		{`{{"text": "{label.site|json}"}`, `{"text": "north \"1\"\nhall"}`},
		{"?q={device|url}", "?q=pump%20%7Bvalue%7D%20%26%20co"},
		{"<b>{label.site|html}</b>", "<b>north &#34;1&#34;\nhall</b>"},
		{"Subject: {label.site|line}", `Subject: north "1" hall`},
		{"{label.site|line|url}", "north%20%221%22%20hall"},
		{"Größe {value} °C", "Größe 21.5 °C"},
	} {
		tp, err := template.Parse(c.source, known)
		if err != nil {
			t.Errorf("%q: %v", c.source, err)
			continue
		}
		if got := string(tp.Append([]byte("> "), values)); got != "> "+c.want {
			t.Errorf("%q becomes %q, want %q", c.source, got, "> "+c.want)
		}
		if tp.String() != c.source {
			t.Errorf("%q says it is %q", c.source, tp.String())
		}
	}
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"{devise}", "{devise} is not known; use {device} {value} {unit} {label.*}, or write {{ for a brace"},
		{"{}", "{} is not known"},
		{"{ value }", "{ value } is not known"},
		{"{Value}", "{Value} is not known"},
		{"{label.}", "{label.} is not known"},
		{"{label.*}x{label}", "{label} is not known"},
		{`{"text": "{value}"}`, `"{\"text\": \"{value}\"}" begins a placeholder that does not end; write {{ for a brace`},
		{"{value", "begins a placeholder that does not end"},
		{"{value\n}", "does not end"},
		{"{", "does not end"},
		{"{value|xml}", `{value|xml}: "xml" is no filter; use html, json, line, url`},
		{"{value|}", `"" is no filter`},
		{"{" + strings.Repeat("ä", 500) + "}", "…} is not known"},
	} {
		if _, err := template.Parse(c.source, known); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.source, err, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	tp, err := template.Parse("{value} {label.a} {value|json} {{x} {device}", known)
	if err != nil {
		t.Fatal(err)
	}
	if got := tp.Names(); !slices.Equal(got, []string{"value", "label.a", "device"}) {
		t.Errorf("names %v", got)
	}
}

// FuzzFilters takes each filter's text back with the standard library.
func FuzzFilters(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\n\r\t\x00\x7f", "</script>&'", "\u2028\u2029\u0085", "\xff\xc0", "a+b c/d?e#f%", "日本語"} {
		f.Add(s)
	}
	fill := func(filter, s string) string {
		tp, err := template.Parse("{x|"+filter+"}", []string{"x"})
		if err != nil {
			panic(err)
		}
		return string(tp.Append(nil, func(string) (string, bool) { return s, true }))
	}
	f.Fuzz(func(t *testing.T, s string) {
		var back string
		if err := json.Unmarshal([]byte(`"`+fill("json", s)+`"`), &back); err != nil {
			t.Fatalf("json of %q is %q: %v", s, fill("json", s), err)
		}
		if utf8.ValidString(s) && back != s {
			t.Errorf("json of %q comes back as %q", s, back)
		}
		if back, err := url.QueryUnescape(fill("url", s)); err != nil || back != s {
			t.Errorf("url of %q comes back from a query as %q, %v", s, back, err)
		}
		if back, err := url.PathUnescape(fill("url", s)); err != nil || back != s {
			t.Errorf("url of %q comes back from a path as %q, %v", s, back, err)
		}
		h := fill("html", s)
		if html.UnescapeString(h) != s && !strings.Contains(s, "&") || strings.ContainsAny(h, `<>"'`) {
			t.Errorf("html of %q is %q", s, h)
		}
		if l := fill("line", s); strings.ContainsAny(l, "\r\n\x00\t") {
			t.Errorf("line of %q is %q", s, l)
		}
	})
}

// FuzzParse fills whatever parses, and takes text without a brace as it is.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"{value}", "{{", "{value|json|url}", "{label.x} }", "{{{value}}}", "{", "\xff{value}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tp, err := template.Parse(s, known)
		if err != nil {
			if !strings.Contains(s, "{") {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		got := string(tp.Append(nil, func(name string) (string, bool) { return "{" + name + "}", true }))
		if !strings.Contains(s, "|") {
			if want := strings.ReplaceAll(s, "{{", "{"); got != want {
				t.Errorf("%q becomes %q, want %q", s, got, want)
			}
		}
	})
}
