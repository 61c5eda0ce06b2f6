package template

import (
	"fmt"
	"slices"
	"strings"
)

// Template is a parsed text.
type Template struct {
	source string
	parts  []part
}

// part is text, or a placeholder when it has a name.
type part struct {
	text    string
	name    string
	filters []Filter
}

// Parse reads a text in which the known names may stand. A known name that ends
// in .* stands for all that begin so and go on: label.* for label.site.
func Parse(s string, known []string) (*Template, error) {
	t := &Template{source: s}
	var text strings.Builder
	for rest := s; rest != ""; {
		i := strings.IndexByte(rest, '{')
		if i < 0 {
			text.WriteString(rest)
			break
		}
		text.WriteString(rest[:i])
		rest = rest[i+1:]
		if strings.HasPrefix(rest, "{") {
			text.WriteByte('{')
			rest = rest[1:]
			continue
		}
		inside, behind, ok := strings.Cut(rest, "}")
		if !ok || strings.ContainsAny(inside, "{\n") {
			return nil, fmt.Errorf("%q begins a placeholder that does not end; write {{ for a brace", excerpt("{"+rest))
		}
		p, err := placeholder(inside, known)
		if err != nil {
			return nil, err
		}
		if text.Len() > 0 {
			t.parts = append(t.parts, part{text: text.String()})
			text.Reset()
		}
		t.parts = append(t.parts, p)
		rest = behind
	}
	if text.Len() > 0 {
		t.parts = append(t.parts, part{text: text.String()})
	}
	return t, nil
}

// placeholder reads what stands between braces.
func placeholder(inside string, known []string) (part, error) {
	fields := strings.Split(inside, "|")
	p := part{name: fields[0]}
	if !isKnown(p.name, known) {
		return p, fmt.Errorf("{%s} is not known; use {%s}, or write {{ for a brace", excerpt(p.name), strings.Join(known, "} {"))
	}
	for _, name := range fields[1:] {
		f, ok := filters[name]
		if !ok {
			return p, fmt.Errorf("{%s}: %q is no filter; use %s", excerpt(inside), excerpt(name), strings.Join(FilterNames(), ", "))
		}
		p.filters = append(p.filters, f)
	}
	return p, nil
}

func isKnown(name string, known []string) bool {
	for _, k := range known {
		if before, ok := strings.CutSuffix(k, "*"); ok && strings.HasSuffix(before, ".") {
			if len(name) > len(before) && strings.HasPrefix(name, before) {
				return true
			}
		} else if name == k {
			return true
		}
	}
	return false
}

// excerpt shortens what is quoted in an error.
func excerpt(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Append fills in the values and appends the text. value answers the text of a
// name, and whether there is one; a name stands as often as it is used.
func (t *Template) Append(dst []byte, value func(name string) (string, bool)) []byte {
	for _, p := range t.parts {
		if p.name == "" {
			dst = append(dst, p.text...)
			continue
		}
		v, ok := value(p.name)
		if !ok {
			continue
		}
		for _, f := range p.filters {
			v = f(v)
		}
		dst = append(dst, v...)
	}
	return dst
}

// Names answers the names that are used, in order of their first use.
func (t *Template) Names() []string {
	var names []string
	for _, p := range t.parts {
		if p.name != "" && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

// String answers the text that was parsed.
func (t *Template) String() string { return t.source }
