package web

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// modules are the scripts of the page by their path below static/, and what
// each needs before it runs.
type modules struct {
	bodies map[string][]byte
	names  map[string]string // of the import map, to paths below static/
}

var (
	importMapPattern = regexp.MustCompile(`(?s)<script type="importmap">(.*?)</script>`)
	importPattern    = regexp.MustCompile(`(?m)^(?:import|export|\})(?:[^'"\n]*\bfrom)?\s*["']([^"']+)["'];?\s*(?://.*)?$`)
	packedPattern    = regexp.MustCompile(`(?:\bfrom|\bimport)["']([^"']+)["']`) // of modules without white space
	preloadMark      = "<!-- preload -->"
)

func newModules(html string, bodies map[string][]byte) (*modules, error) {
	found := importMapPattern.FindStringSubmatch(html)
	if found == nil {
		return nil, fmt.Errorf("index.html: the import map is missing")
	}
	var importMap struct{ Imports map[string]string }
	if err := json.Unmarshal([]byte(found[1]), &importMap); err != nil {
		return nil, fmt.Errorf("index.html: read the import map: %w", err)
	}
	m := &modules{bodies: bodies, names: map[string]string{}}
	for name, url := range importMap.Imports {
		m.names[name] = strings.TrimPrefix(url, "/static/")
	}
	return m, nil
}

// closure answers all modules that entry needs to run, itself included, in the
// order in which a browser learns of them.
func (m *modules) closure(entry string) ([]string, error) {
	found := []string{entry}
	for i := 0; i < len(found); i++ {
		body, ok := m.bodies[found[i]]
		if !ok {
			return nil, fmt.Errorf("%s is imported and not there", found[i])
		}
		pattern := importPattern
		if strings.HasPrefix(found[i], "lib/") {
			pattern = packedPattern
		}
		for _, match := range pattern.FindAllSubmatch(body, -1) {
			name := string(match[1])
			if mapped, ok := m.names[name]; ok {
				name = mapped
			} else if strings.HasPrefix(name, ".") {
				name = path.Join(path.Dir(found[i]), name)
			} else {
				return nil, fmt.Errorf("%s imports %q, which the import map lacks", found[i], name)
			}
			if !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	return found, nil
}

// preload puts links into html that let a browser fetch at once what app.js
// needs, instead of learning of it file by file: a box is often asked over a
// link whose every round trip counts.
func preload(html string, bodies map[string][]byte) (string, error) {
	m, err := newModules(html, bodies)
	if err != nil {
		return "", err
	}
	needed, err := m.closure("app.js")
	if err != nil {
		return "", fmt.Errorf("read the page's files: %w", err)
	}
	var links strings.Builder
	for _, name := range needed[1:] {
		fmt.Fprintf(&links, "<link rel=\"modulepreload\" href=\"/static/%s\">\n", name)
	}
	before, after, ok := strings.Cut(html, preloadMark+"\n")
	if !ok {
		return "", fmt.Errorf("index.html: %s is missing", preloadMark)
	}
	return before + links.String() + after, nil
}
