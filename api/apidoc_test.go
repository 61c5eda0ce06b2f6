package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// TestAPIDocument holds docs/api.md against the description, of which it is made,
// so that it never lags.
func TestAPIDocument(t *testing.T) {
	b := newBox(t)
	m := &markdown{doc: b.api.OpenAPI()}
	m.write(t)
	file := filepath.Join("..", "docs", "api.md")
	if *update {
		if err := os.WriteFile(file, m.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := must[[]byte](t)(os.ReadFile(file)); !bytes.Equal(m.Bytes(), want) {
		t.Error("docs/api.md lags behind the description; run go test ./api -run APIDocument -update")
	}
}

// markdown is the description for a reader without a server.
type markdown struct {
	bytes.Buffer
	doc *huma.OpenAPI
}

func (m *markdown) line(format string, args ...any) {
	fmt.Fprintf(m, format+"\n", args...)
}

func (m *markdown) write(t *testing.T) {
	m.line("# The HTTP API\n")
	m.line("Made of the description that each server has at `/openapi.json`; `/docs` shows the same, and lets you try it. The examples are run by a test, in the order of a first day.\n")
	m.line("%s\n", m.doc.Info.Description)
	m.line("| credentials | |\n|---|---|")
	for _, name := range sortedKeys(m.doc.Components.SecuritySchemes) {
		s := m.doc.Components.SecuritySchemes[name]
		m.line("| %s | %s: %s |", name, s.Scheme, s.Description)
	}
	m.line("\n| problem | |\n|---|---|")
	for _, status := range sortedKeys(problemAnswersByText()) {
		m.line("| %s | %s |", status, problemAnswersByText()[status])
	}
	for _, tag := range m.doc.Tags {
		m.line("\n## %s\n\n%s", strings.ToUpper(tag.Name[:1])+tag.Name[1:], tag.Description)
		for _, path := range sortedKeys(m.doc.Paths) {
			ops := operations(m.doc.Paths[path])
			for _, method := range sortedKeys(ops) {
				if op := ops[method]; op.Tags[0] == tag.Name {
					m.operation(t, method, path, op)
				}
			}
		}
	}
	m.line("\n## Types")
	schemas := m.doc.Components.Schemas.Map()
	for _, name := range sortedKeys(schemas) {
		if s := schemas[name]; len(s.Properties) > 0 {
			m.line("\n### %s\n\n| field | type | |\n|---|---|---|", name)
			for _, field := range sortedKeys(s.Properties) {
				m.row(field, s.Properties[field], slices.Contains(s.Required, field), s.Properties[field].Description)
			}
		}
	}
}

func problemAnswersByText() map[string]string {
	out := map[string]string{}
	for status, why := range problemAnswers() {
		out[strconv.Itoa(status)] = why
	}
	return out
}

func (m *markdown) operation(t *testing.T, method, path string, op *huma.Operation) {
	m.line("\n### %s %s\n\n%s", method, path, strings.TrimSpace(op.Summary+". "+op.Description))
	var by []string
	for _, s := range op.Security {
		by = append(by, append(sortedKeys(s), "none, and a token as the first message")[0])
	}
	switch needs := op.Extensions["x-needs"]; {
	case len(by) == 0:
		m.line("\nOpen to all.")
	case needs == nil:
		m.line("\nBy %s.", strings.Join(by, ", "))
	default:
		m.line("\nNeeds %s, by %s.", needs, strings.Join(by, ", "))
	}
	if len(op.Parameters) > 0 {
		m.line("\n| parameter | type | |\n|---|---|---|")
		for _, p := range op.Parameters {
			m.row(p.Name, p.Schema, p.Required, strings.TrimSuffix(p.In+"; "+p.Description, "; "))
		}
	}
	if op.RequestBody != nil {
		m.content(t, "Body", op.RequestBody.Description, op.RequestBody.Content)
	}
	var problems []string
	for _, status := range sortedKeys(op.Responses) {
		if r := op.Responses[status]; r.Ref != "" {
			problems = append(problems, status)
		} else {
			m.content(t, "Answer "+status, r.Description, r.Content)
		}
	}
	m.line("\nProblems: %s.", strings.Join(problems, ", "))
}

func (m *markdown) content(t *testing.T, what, about string, content map[string]*huma.MediaType) {
	if len(content) == 0 {
		m.line("\n%s, without a body.", what)
	}
	for _, kind := range sortedKeys(content) {
		media := content[kind]
		m.line("\n%s, %s, %s%s", what, kind, m.typeOf(media.Schema), strings.TrimSuffix(": "+about, ": "))
		for _, name := range sortedKeys(media.Examples) {
			m.example(t, media.Examples[name])
		}
	}
}

func (m *markdown) example(t *testing.T, e *huma.Example) {
	raw, _ := e.Value.(json.RawMessage)
	var text string
	if json.Unmarshal(raw, &text) != nil {
		var out bytes.Buffer
		if err := json.Indent(&out, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		if text = out.String(); len(flat(t, raw)) <= 120 {
			text = flat(t, raw)
		}
	}
	if e.Summary != "" {
		m.line("\n%s:", e.Summary)
	}
	m.line("\n```\n%s\n```", strings.TrimSuffix(text, "\n"))
}

func (m *markdown) row(name string, s *huma.Schema, required bool, about string) {
	var notes []string
	if !required {
		notes = append(notes, "optional")
	}
	if about != "" {
		notes = append(notes, about)
	}
	if s.Default != nil {
		notes = append(notes, fmt.Sprintf("default %v", s.Default))
	}
	if s.Minimum != nil {
		notes = append(notes, fmt.Sprintf("from %v", *s.Minimum))
	}
	if s.Maximum != nil {
		notes = append(notes, fmt.Sprintf("to %.0f", *s.Maximum))
	}
	if s.MaxLength != nil {
		notes = append(notes, fmt.Sprintf("at most %d characters", *s.MaxLength))
	}
	if s.MaxItems != nil {
		notes = append(notes, fmt.Sprintf("at most %d", *s.MaxItems))
	}
	m.line("| %s | %s | %s |", name, m.typeOf(s), strings.ReplaceAll(strings.Join(notes, "; "), "|", `\|`))
}

// typeOf names a type, with a link to what it consists of.
func (m *markdown) typeOf(s *huma.Schema) string {
	switch {
	case s.Ref != "":
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
	case len(s.AnyOf) > 0:
		var all []string
		for _, one := range s.AnyOf {
			if name := m.typeOf(one); !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
		return strings.Join(all, " or ")
	case s.Items != nil:
		return "list of " + m.typeOf(s.Items)
	case len(s.Enum) > 0:
		var all []string
		for _, v := range s.Enum {
			all = append(all, fmt.Sprint(v))
		}
		return strings.Join(all, ", ")
	case s.Format != "" && s.Type == huma.TypeString:
		return s.Format
	case s.Type == "":
		return "any"
	}
	return s.Type
}
