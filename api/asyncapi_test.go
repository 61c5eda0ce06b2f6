package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/api/client"
	"tidegate/ingest/live"
	"tidegate/store"
)

// liveStep is one step of the conversation that the description shows.
type liveStep struct {
	summary string
	say     any
	do      func()
	hear    string // type
	hidden  bool   // heard, and not shown
}

// TestLiveExamples has the conversation of live.json over a real connection.
// With -update it writes what was said and heard.
func TestLiveExamples(t *testing.T) {
	b := newBox(t).withSample(t)
	b.importCSV(t, client.ImportOptions{}, "2025-09-06T12:00:00Z,d1,1,230.5")
	e := alarm("acme", "d1", 0)
	b.keep(t, []store.AlertEvent{e})
	publish := func(e ...live.Event) func() { return func() { b.hub.Publish(e) } }
	when := at(exampleTime)
	taken := e
	taken.Acknowledged = &store.Acknowledgement{By: "user:ann@example.org", At: when, Comment: "on my way"}
	one, raw := uint16(1), 231.0
	body, err := json.Marshal(live.Message{
		Topic: "org/acme/device/d1/telemetry", Bytes: 57, Payload: `{"readings":[{"port":1,"value":231},{"port":9,"value":1}]}`,
		Readings: []live.MessageReading{
			{Port: "1", PortNumber: &one, TS: &when, RawValue: &raw, CalibratedValue: &raw, Outcome: "accepted", Flags: []string{"server_ts"}},
			{Port: "9", Outcome: "rejected", Reason: "unknown_port", Detail: "port 9 is not registered on device d1; registered 1-4"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	flood := make([]live.Event, 300)
	for i := range flood {
		flood[i] = live.Event{Kind: live.KindRejection, OrgID: "acme", DeviceID: "d1", At: when, Port: "9", Reason: "unknown_port", Line: "rejected: device d1 port 9 unknown_port; registered 1-4. Fix: tidegate port set --device d1 --number 9"}
	}
	c := b.dialLive(t)
	stream := ""
	var said []liveExample
	steps := []liveStep{
		{summary: "the first message, and again before the token ends", say: LiveAuth{Type: "auth", Token: b.ann(t).AccessToken}},
		{summary: "what a page shows of one device: how things stand, then what changes", say: LiveSubscribe{Type: "subscribe", ID: 1, Kinds: []string{"readings", "lifecycle", "alerts"}, Devices: []string{"d1"}, Snapshot: true}},
		{summary: "it has begun", hear: "subscribed"},
		{summary: "how things stand", hear: "snapshot"},
		{do: func() { b.importCSV(t, client.ImportOptions{}, "2025-09-06T12:00:01Z,d1,1,231") }, summary: "a reading was stored", hear: "readings"},
		{do: publish(live.Event{Kind: live.KindLifecycle, OrgID: "acme", DeviceID: "d1", At: when, Status: "offline", Reason: "keep-alive timeout"}), summary: "a device has gone", hear: "lifecycle"},
		{do: publish(live.Event{Kind: live.KindAlert, OrgID: "acme", DeviceID: "d1", Alert: &taken}), summary: "somebody has taken an alarm on", hear: "alert"},
		{summary: "the inspector of one device, beside it", say: LiveSubscribe{Type: "subscribe", ID: 2, Kinds: []string{"messages"}, Devices: []string{"d1"}}},
		{hear: "subscribed", hidden: true},
		{do: publish(live.Event{Kind: live.KindMessage, OrgID: "acme", DeviceID: "d1", At: when, Body: body}), summary: "a message and what became of it", hear: "message"},
		{summary: "no more of it", say: LiveUnsubscribe{Type: "unsubscribe", ID: 2}},
		{summary: "another choice under the same id, from where the one before ended", say: LiveSubscribe{Type: "subscribe", ID: 1, Kinds: []string{"rejections"}, OrgID: "acme", Stream: "ABCDEFGHIJKLMNOPQRSTUVWXYZ", After: 4}},
		{summary: "what was missed follows", hear: "subscribed"},
		{do: publish(flood...), summary: "a slow client missed some", hear: "skipped"},
		{summary: "a reading was refused", hear: "rejection"},
	}
	for range 300 - 1 {
		steps = append(steps, liveStep{hear: "rejection", hidden: true})
	}
	steps = append(steps,
		liveStep{say: json.RawMessage(`{"type":"subscribe","kinds":["everything"]}`), hidden: true},
		liveStep{summary: "the last word; the connection is closed", hear: "error"})
	for i := 0; i < len(steps); i++ {
		s := steps[i]
		if s.do != nil {
			s.do()
		}
		message, payload := s.hear, json.RawMessage(nil)
		if s.hear == "" {
			payload = must[[]byte](t)(json.Marshal(s.say))
			say(t, c, json.RawMessage(strings.ReplaceAll(string(payload), "ABCDEFGHIJKLMNOPQRSTUVWXYZ", stream)))
			if a, ok := s.say.(LiveAuth); ok {
				payload = json.RawMessage(strings.ReplaceAll(string(payload), a.Token, "…"))
			}
			if s.hidden {
				continue
			}
		} else {
			_, got, err := c.Read(t.Context())
			if err != nil {
				t.Fatalf("step %d, %s: %v", i, s.hear, err)
			}
			var m heard
			if err := json.Unmarshal(got, &m); err != nil {
				t.Fatal(err)
			}
			if m.Type == "subscribed" {
				stream = m.Stream
			}
			if m.Type == "skipped" { // those will not come
				steps = append(steps[:i+1], steps[i+1+int(m.Skipped):]...)
				steps[i+1] = liveStep{summary: "a reading was refused", hear: "rejection"}
			}
			if m.Type != s.hear {
				t.Fatalf("step %d, %s: %s", i, s.hear, got)
			}
			if s.hidden {
				continue
			}
			payload = steady(t, got)
		}
		if message == "" {
			var m struct{ Type string }
			if err := json.Unmarshal(payload, &m); err != nil {
				t.Fatal(err)
			}
			message = m.Type
		}
		said = append(said, liveExample{message, s.summary, payload})
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(said); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("live.json", out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := must[[]byte](t)(os.ReadFile("live.json")); !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the conversation was\n%s\nreview it and run go test ./api -run LiveExamples -update, then AsyncAPI", out.Bytes())
	}
}

// TestAsyncAPI holds the description against its golden copy, its own types and,
// where they are there, against the rules of AsyncAPI 3.0.
func TestAsyncAPI(t *testing.T) {
	b := newBox(t)
	resp, served := b.do(t, http.MethodGet, "/asyncapi.json", "", "", "")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	doc := must[*asyncAPI](t)(b.describeLive())
	var tree any
	if err := json.Unmarshal([]byte(served), &tree); err != nil {
		t.Fatal(err)
	}
	refs := 0
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok {
				refs++
				if !resolves(tree, ref) {
					t.Errorf("%s: %s leads nowhere", path, ref)
				}
			}
			for k, x := range v {
				walk(path+"/"+k, x)
			}
		case []any:
			for i, x := range v {
				walk(fmt.Sprint(path, "/", i), x)
			}
		}
	}
	walk("", tree)
	if refs < 30 {
		t.Errorf("%d references: the walk sees too little", refs)
	}
	// Each message has an example, and each is what its schema says.
	if n := len(doc.Components.Messages); n != len(liveSays)+len(liveTells) {
		t.Errorf("%d messages", n)
	}
	for name, m := range doc.Components.Messages {
		if len(m.Examples) == 0 {
			t.Errorf("%s has no example", name)
		}
		for _, e := range m.Examples {
			var v any
			if err := json.Unmarshal(e.Payload, &v); err != nil {
				t.Fatal(err)
			}
			res := &huma.ValidateResult{}
			huma.Validate(doc.registry, doc.registry.SchemaFromRef(m.Payload.Ref), huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, v, res)
			for _, err := range res.Errors {
				t.Errorf("%s, %s: %v", name, e.Summary, err)
			}
		}
	}
	golden := filepath.Join("testdata", "asyncapi.json")
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, []byte(served), "", " "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	if *update {
		if err := os.WriteFile(golden, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := must[[]byte](t)(os.ReadFile(golden)); !bytes.Equal(pretty.Bytes(), want) {
		t.Error("/asyncapi.json is another; review it and run go test ./api -run AsyncAPI -update")
	}
}

// resolves reports whether a reference within the document leads somewhere.
func resolves(tree any, ref string) bool {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return false
	}
	for name := range strings.SplitSeq(path, "/") {
		m, ok := tree.(map[string]any)
		if !ok {
			return false
		}
		if tree, ok = m[name]; !ok {
			return false
		}
	}
	return true
}

// TestAsyncAPIRules holds the description against the JSON schema of AsyncAPI
// 3.0, which .ci/deps brings.
func TestAsyncAPIRules(t *testing.T) {
	cache := filepath.Join("..", ".cache")
	schema, python := filepath.Join(cache, "asyncapi", "3.0.0.json"), filepath.Join(cache, "schemathesis", "bin", "python")
	for _, part := range []string{schema, python} {
		if _, err := os.Stat(part); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is missing; .ci/deps brings it", part)
			}
			t.Skipf("%s is missing; .ci/deps brings it", part)
		}
	}
	const program = `
import json, sys, jsonschema
schema, doc = (json.load(open(f)) for f in sys.argv[1:])
faults = list(jsonschema.Draft7Validator(schema).iter_errors(doc))
for f in faults:
    best = jsonschema.exceptions.best_match([f])
    print("/".join(map(str, best.absolute_path)), best.message[:300])
sys.exit(1 if faults else 0)
`
	out, err := exec.CommandContext(t.Context(), python, "-c", program, schema, filepath.Join("testdata", "asyncapi.json")).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
