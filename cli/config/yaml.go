package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// fileVersion is the newest format of the file that this program reads. A file
// without a version is of the first.
const fileVersion = 1

// document is one YAML file on its way into the table.
type document struct {
	name   string
	table  table
	faults []error
}

func (t table) readYAML(name string, b []byte) error {
	d := &document{name: name, table: t}
	d.read(b)
	return errors.Join(d.faults...)
}

func (d *document) fault(line int, format string, args ...any) {
	d.faults = append(d.faults, fmt.Errorf("%s line %d: %s", d.name, line, fmt.Sprintf(format, args...)))
}

// place is where a value stands.
func (d *document) place(n *yaml.Node) string { return fmt.Sprintf("%s line %d", d.name, n.Line) }

func (d *document) read(b []byte) {
	if line := tabbed(b); line > 0 {
		d.fault(line, "the line is indented with a tab; YAML takes spaces alone")
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var root, second yaml.Node
	if err := dec.Decode(&root); err != nil {
		if !errors.Is(err, io.EOF) { // nothing but comments is a file that changes nothing
			line, what := yamlError(err)
			d.fault(line, "not YAML: %s", what)
		}
		return
	}
	if dec.Decode(&second) == nil {
		d.fault(second.Line, "a second document begins here; the file holds one")
		return
	}
	top := root.Content[0]
	if top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
		return
	}
	if top.Kind != yaml.MappingNode {
		d.fault(top.Line, "expected sections such as \"http:\", found %s", kind(top))
		return
	}
	if !d.version(top) {
		return
	}
	d.pairs(top, "", func(k, v *yaml.Node) {
		if k.Value == "version" {
			return
		}
		names := d.table.keysOf(k.Value)
		if names == nil {
			d.unknown(k, "", append(d.table.sections(), "version"))
			return
		}
		d.section(k, v, names)
	})
}

// version refuses a newer file before its unknown keys are held against it.
func (d *document) version(top *yaml.Node) bool {
	for i := 0; i+1 < len(top.Content); i += 2 {
		k, v := top.Content[i], top.Content[i+1]
		if k.Value != "version" {
			continue
		}
		n, err := strconv.Atoi(v.Value)
		if v.Kind != yaml.ScalarNode || err != nil || n < 1 {
			d.fault(v.Line, "version: %q is not a version; this program writes %d", v.Value, fileVersion)
			return false
		}
		if n > fileVersion {
			d.fault(v.Line, "the file is of format %d, this program reads up to %d: use the newer tidegate that it was written for", n, fileVersion)
			return false
		}
	}
	return true
}

func (d *document) section(k, v *yaml.Node, names []string) {
	if v.Kind == yaml.ScalarNode && v.Tag == "!!null" { // every key of it is commented out
		return
	}
	if v.Kind != yaml.MappingNode {
		d.fault(v.Line, "%s takes keys (%s), found %s", k.Value, strings.Join(names, ", "), kind(v))
		return
	}
	d.pairs(v, k.Value+".", func(name, val *yaml.Node) {
		known := d.table.find(k.Value + "." + name.Value)
		switch {
		case known == nil:
			d.unknown(name, k.Value, names)
		case val.Kind == yaml.SequenceNode && takesList(known.value):
			d.list(known, val)
		case val.Kind != yaml.ScalarNode:
			d.fault(val.Line, "%s takes a single value, found %s", known.path, kind(val))
		case val.Tag == "!!null":
			d.fault(val.Line, "%s has no value; give one or delete the line", known.path)
		default:
			if err := known.set(val.Value, SourceFile, d.place(val)); err != nil {
				d.fault(val.Line, "%s: %v", known.path, err)
			}
		}
	})
}

func takesList(v value) bool {
	_, ok := v.(listValue)
	return ok
}

func (d *document) list(k *key, val *yaml.Node) {
	var texts []string
	for _, item := range val.Content {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			d.fault(item.Line, "%s takes a list of single values, found %s in it", k.path, kind(item))
			return
		}
		texts = append(texts, item.Value)
	}
	if v, ok := k.value.(listValue); ok {
		if err := v.setAll(texts); err != nil {
			d.fault(val.Line, "%s: %v", k.path, err)
			return
		}
		k.source, k.origin = SourceFile, d.place(val)
	}
}

// pairs calls fn for each key of a mapping once; a second one is a fault.
func (d *document) pairs(m *yaml.Node, prefix string, fn func(k, v *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(m.Content); i += 2 {
		k, v := m.Content[i], m.Content[i+1]
		if first, ok := seen[k.Value]; ok {
			d.fault(k.Line, "%s%s is given twice, first in line %d", prefix, k.Value, first)
			continue
		}
		seen[k.Value] = k.Line
		if v.Kind == yaml.AliasNode || k.Kind != yaml.ScalarNode {
			d.fault(k.Line, "aliases are not supported here; write the value out")
			continue
		}
		fn(k, v)
	}
}

func (d *document) unknown(k *yaml.Node, section string, known []string) {
	where, hint := "", suggest(k.Value, known)
	if section != "" {
		where = " in " + section
	}
	if hint == "" { // perhaps it belongs to another section
		for _, p := range d.table.paths() {
			s, name, _ := strings.Cut(p, ".")
			if name == k.Value || s+"_"+name == k.Value {
				hint = fmt.Sprintf("; did you mean %q in section %q?", name, s)
				break
			}
		}
	}
	if hint == "" {
		hint = "."
	}
	d.fault(k.Line, "unknown key %q%s%s Allowed: %s", k.Value, where, hint, strings.Join(known, ", "))
}

// tabbed answers the first line whose indentation holds a tab, or 0.
func tabbed(b []byte) int {
	n := 0
	for line := range bytes.Lines(b) {
		n++
		text := bytes.TrimLeft(line, " \t")
		if len(text) == 0 || text[0] == '\n' || text[0] == '\r' {
			continue
		}
		if bytes.IndexByte(line[:len(line)-len(text)], '\t') >= 0 {
			return n
		}
	}
	return 0
}

// yamlError splits the library's "yaml: line 3: what is wrong".
func yamlError(err error) (line int, what string) {
	what = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): (.*)$`).FindStringSubmatch(what); m != nil {
		line, _ = strconv.Atoi(m[1]) // the pattern allows digits alone
		return line, m[2]
	}
	return 1, what
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return strconv.Quote(n.Value)
	default:
		return "something else"
	}
}
