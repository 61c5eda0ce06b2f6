package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

// block answers the first block of code of a language in docs/notifications.md.
func block(t *testing.T, language string) string {
	t.Helper()
	b, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n```"+language+"\n")
	code, _, ok2 := strings.Cut(rest, "\n```\n")
	if !ok || !ok2 {
		t.Fatalf("no block of %s", language)
	}
	return code
}

// TestSnippets runs what the document shows, against a real signature.
func TestSnippets(t *testing.T) {
	body := []byte("{\"text\":\"ä {}\"}\n")
	now := time.Now()
	good := sign("the secret", body, now)
	type call struct{ secret, header, body string }
	calls := []struct {
		call
		want bool
	}{
		{call{"the secret", good, string(body)}, true},
		{call{"another", good, string(body)}, false},
		{call{"the secret", good, string(body) + " "}, false},
		{call{"the secret", strings.Replace(good, "t=", "t=1", 1), string(body)}, false},
		{call{"the secret", sign("the secret", body, now.Add(-time.Hour)), string(body)}, false},
		{call{"the secret", "", string(body)}, false},
		{call{"the secret", "t=1,v1=", string(body)}, false},
	}
	for language, program := range map[string][]string{"python": {"python3", "-c"}, "js": {"node", "-e"}} {
		path, err := exec.LookPath(program[0])
		if err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal("missing; install it with make deps: " + program[0])
			}
			t.Skip("missing: " + program[0])
		}
		code := block(t, language) + "\n"
		for _, c := range calls {
			q := func(s string) string {
				b, err := json.Marshal(s)
				if err != nil {
					t.Fatal(err)
				}
				return string(b)
			}
			if language == "python" {
				code += fmt.Sprintf("print(verify(%s, %s, %s.encode()))\n", q(c.secret), q(c.header), q(c.body))
			} else {
				code += fmt.Sprintf("console.log(verify(%s, %s, Buffer.from(%s)));\n", q(c.secret), q(c.header), q(c.body))
			}
		}
		out, err := exec.Command(path, program[1], code).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", language, err, out)
			continue
		}
		answers := strings.Fields(strings.ToLower(string(out)))
		if len(answers) != len(calls) {
			t.Errorf("%s: %s", language, out)
			continue
		}
		for i, c := range calls {
			if answers[i] != fmt.Sprint(c.want) {
				t.Errorf("%s: %q is %s", language, c.header, answers[i])
			}
		}
	}
}

// TestDocument: channels are right as shown, and no placeholder is left out.
func TestDocument(t *testing.T) {
	d := dispatcher(t)
	types := map[store.ChannelType]bool{}
	for line := range strings.Lines(block(t, "json")) {
		var v struct {
			Name, URL, Secret, Provider, From, Body string
			Type                                    store.ChannelType
			To                                      []string
			Headers                                 map[string]string
		}
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		secret := strings.NewReplacer("AC…", "AC0123", "ABC…", "ABC0123456789").Replace(v.Secret)
		c := store.Channel{ID: "ch-1", OrgID: "acme", Name: v.Name, Type: v.Type, URL: v.URL, Secret: secret, Provider: v.Provider, From: v.From, Body: v.Body, To: v.To, Headers: v.Headers}
		if err := d.Validate(c); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		types[v.Type] = true
	}
	for _, kind := range store.ChannelTypes() {
		if !types[kind] {
			t.Errorf("%s is not shown", kind)
		}
	}
	b, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(b, []byte("\n## Placeholders\n"))
	section, _, _ := bytes.Cut(rest, []byte("\n## "))
	documented := map[string]bool{}
	for line := range strings.Lines(string(section)) {
		if first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.HasPrefix(line, "| ") {
			for _, m := range regexp.MustCompile("`([a-zA-Z.]+)`").FindAllStringSubmatch(first, -1) {
				documented[m[1]] = true
			}
		}
	}
	for _, name := range Placeholders() {
		if name = strings.Replace(name, "*", "site", 1); !documented[name] {
			t.Errorf("%s is not documented", name)
		}
		delete(documented, name)
	}
	if len(documented) > 0 {
		t.Errorf("documented, and not there: %v", documented)
	}
}
