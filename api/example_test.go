package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"nhooyr.io/websocket"

	"tidegate/api/client"
	"tidegate/store"
)

// TestExamples runs every example, in order, against a box, and holds what is
// answered against what is documented. With -update it writes the answers; they
// are embedded, so that the description follows with the next run.
func TestExamples(t *testing.T) {
	d := &dispatch{}
	b := newBox(t, withBoxParts, d.give(t))
	must[client.Organization](t)(b.local.CreateOrganization(t.Context(), client.NewOrganization{ID: "empty", Name: "Empty"}))
	fires := alarm("acme", "d1", 0)
	dead := told(fires, "ch-0123456789abcdef", store.NotificationDead)
	dead.LastError = "410 Gone"
	b.keep(t, []store.AlertEvent{fires}, dead)
	if err := d.kept.PutCommands(t.Context(), []store.Command{pumped}); err != nil {
		t.Fatal(err)
	}
	token, said := "", answers{}
	all := must[[]example](t)(parseExamples())
	exampled := map[string]bool{}
	for i := range all {
		e := &all[i]
		name := fmt.Sprintf("%d %s %s", i, e.Operation, e.Name)
		if token == "" && i > 0 { // the first one makes Ann
			token = b.ann(t).AccessToken
		}
		status, answer := b.try(t, e, token, said)
		exampled[e.Operation] = exampled[e.Operation] || status < 400
		if status != e.Status {
			t.Fatalf("%s: %d, documented is %d: %s", name, status, e.Status, answer)
		}
		if *update {
			e.Answer = answer
		}
		if got, want := flat(t, answer), flat(t, e.Answer); got != want {
			t.Errorf("%s answers\n%s\ndocumented is\n%s\nreview it and run go test ./api -run Examples -update, then OpenAPI", name, got, want)
		}
		// What was handed in is stored before the next example asks for it.
		waitFor(t, func() bool { return must[store.Ledger](t)(b.local.Ledger(t.Context())).Pending == 0 })
	}
	for op := range b.policies {
		if !exampled[op] {
			t.Errorf("the operation %s has no example: add one to examples.json, with what it needs before it", op)
		}
	}
	if *update && !t.Failed() {
		var out bytes.Buffer
		enc := json.NewEncoder(&out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(all); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("examples.json", out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// pumped is a command that the first device of a box has answered.
var pumped = store.Command{
	ID: "01j4febig0abcdefgh", UID: 1, OrgID: "acme", DeviceID: "d1", Name: "set-speed", Params: json.RawMessage(`{"rpm":1200}`), State: store.CommandDone,
	Actor: "user:ann@example.org", CreatedAt: store.Time(exampleTime.UnixMilli()), ExpiresAt: store.Time(exampleTime.Add(time.Hour).UnixMilli()), Sent: 1,
	SentAt: store.Time(exampleTime.Add(20 * time.Millisecond).UnixMilli()), AckedAt: store.Time(exampleTime.Add(45 * time.Millisecond).UnixMilli()),
	EndedAt: store.Time(exampleTime.Add(1200 * time.Millisecond).UnixMilli()), Result: json.RawMessage(`{"rpm":1195}`),
}

// withBoxParts are the parts of the whole program that a box here is without.
func withBoxParts(o *Options) {
	left, eta := 400, 0.0
	o.Status = func(context.Context) (Status, error) {
		return Status{
			Ready: true, Version: "1.0.0", Store: "embedded", StartedAt: store.Time(exampleTime.UnixMilli()), PID: 4711, DataDir: "/var/lib/tidegate",
			HTTP: "[::]:8080", MQTT: "[::]:1883", Alarms: &AlarmStatus{Warning: 1}, Log: LogStatus{Bytes: 1 << 20, MaxBytes: 1 << 30, DrainPerSecond: 250, ETASeconds: &eta},
			Ledger: store.Ledger{Received: 6, Stored: 6}, Connections: 12, Devices: 3, DiskFree: 20 << 30, DiskUsed: 4 << 20, DiskPerDay: 50 << 20, DiskDaysLeft: &left,
		}, nil
	}
	o.Doctor = func(context.Context) ([]Check, error) {
		return []Check{
			{"server", "ok", "version 1.0.0 serves /var/lib/tidegate since 2025-09-06T12:00:00Z"},
			{"disk", "warning", "12 days until it is full: free some, or set store.keep_months"},
		}, nil
	}
	o.Settings = func() []Setting {
		return []Setting{
			{Key: "http.listen", Value: "127.0.0.1:8080", Default: ":8080", Source: "file", Origin: "/var/lib/tidegate/config.yaml line 3"},
			{Key: "smtp.password", Value: "[secret]", Source: "environment", Origin: "environment TIDEGATE_SMTP_PASSWORD", Secret: true},
		}
	}
	o.Backup = func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "a backup")
		return err
	}
	o.Retention, o.SetupToken = oldMonths{}, "0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk"
}

type oldMonths struct{}

func (oldMonths) KeepMonths() int { return 0 }

func (oldMonths) Preview(context.Context, int) ([]RetentionMonth, error) {
	return []RetentionMonth{{Month: "2024-08", Bytes: 4 << 20}}, nil
}

func (m oldMonths) Apply(ctx context.Context, keep int) ([]RetentionMonth, error) {
	return m.Preview(ctx, keep)
}

// try sends an example and answers what came, with what differs each time put
// steady.
func (b *box) try(t *testing.T, e *example, token string, said answers) (status int, answer json.RawMessage) {
	t.Helper()
	op := b.operationByID(e.Operation)
	if e.Operation == "live" {
		return b.tryLive(t, e, token)
	}
	path := op.Path
	taken := said.take(t, e.From)
	for name, v := range e.Path {
		v = cmp.Or(taken[name], v)
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(v))
	}
	q := url.Values{}
	for name, v := range e.Query {
		q.Set(name, v)
	}
	request := e.Request
	for name, v := range taken {
		request = withField(t, request, name, v)
	}
	body, kind := []byte(flat(t, request)), cmp.Or(e.Type, "application/json")
	if e.Type != "" {
		var text string
		if err := json.Unmarshal(e.Request, &text); err != nil {
			t.Fatal(err)
		}
		body = []byte(text)
	}
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), op.Method, b.url+path+"?"+q.Encode(), bytes.NewReader(body)))
	if len(body) > 0 {
		req.Header.Set("Content-Type", kind)
	}
	switch {
	case taken["authorization"] != "":
		req.Header.Set("Authorization", "Bearer "+taken["authorization"])
	case e.As == "":
		req.Header.Set("Authorization", "Bearer "+token)
	case e.As == "device":
		req.SetBasicAuth("d1", "s3cret-of-d1")
	}
	resp := must[*http.Response](t)(http.DefaultClient.Do(req))
	defer func() { _ = resp.Body.Close() }()
	got := must[[]byte](t)(io.ReadAll(resp.Body))
	if resp.StatusCode < 300 {
		said[e.Operation] = got
	}
	switch ct, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); ct {
	case "application/json", "application/problem+json":
	case "application/x-ndjson":
		lines := bytes.Split(bytes.TrimSpace(got), []byte("\n"))
		got = lines[len(lines)-1]
	case "text/csv":
		got = must[[]byte](t)(json.Marshal(string(got)))
	default:
		got = nil // a backup, or nothing
	}
	return resp.StatusCode, steady(t, got)
}

// answers are what operations have answered, each the last time.
type answers map[string][]byte

// take answers the values that an example takes from earlier answers.
func (a answers) take(t *testing.T, from map[string]string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for name, place := range from {
		op, field, _ := strings.Cut(place, "/")
		field, inLink := strings.CutSuffix(field, "#")
		var v any
		if err := json.Unmarshal(a[op], &v); err != nil {
			t.Fatalf("%s: %v: %s", place, err, a[op])
		}
		for _, key := range strings.Split(field, ".") {
			if i, err := strconv.Atoi(key); err == nil {
				v = v.([]any)[i]
			} else {
				v = v.(map[string]any)[key]
			}
		}
		text, _ := v.(string)
		if inLink {
			_, text, _ = strings.Cut(text, "=")
		}
		if text == "" {
			t.Fatalf("%s: nothing is there in %s", place, a[op])
		}
		out[name] = text
	}
	return out
}

// withField puts a value into a request that has a field of that name, a list
// of it where that is a list.
func withField(t *testing.T, request json.RawMessage, name, value string) json.RawMessage {
	t.Helper()
	fields := map[string]any{}
	if len(request) == 0 || json.Unmarshal(request, &fields) != nil {
		return request
	}
	before := fields[name]
	if before == nil {
		return request
	}
	fields[name] = value
	if _, list := before.([]any); list {
		fields[name] = []any{value}
	}
	return must[[]byte](t)(json.Marshal(fields))
}

func (b *box) tryLive(t *testing.T, e *example, token string) (int, json.RawMessage) {
	c, resp, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(b.url, "http")+livePath, &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	say(t, c, e.Request)
	_, got, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, steady(t, got)
}

var exampleTime = time.Date(2025, 9, 6, 12, 0, 0, 0, time.UTC)

var (
	uuidText    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	messageText = regexp.MustCompile(`"[0-9a-f]{32}-(\d+)"`)
	hashText    = regexp.MustCompile(`"[0-9a-f]{64}"`)
	timeText    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`)
	secretField = regexp.MustCompile(`"(secret|accessToken|refreshToken|key)":"[^"(]*"`)
	keyText     = regexp.MustCompile(`key-[0-9a-hjkmnp-tv-z]{16}`)
	alarmText   = regexp.MustCompile(`\b(rule|ch)-[0-9a-hjkmnp-tv-z]{16}\b`)
	silenceText = regexp.MustCompile(`\bsil-[0-9a-hjkmnp-tv-z]{16}\b`)
	commandText = regexp.MustCompile(`\b0[0-9a-v]{9}[a-z2-7]{8}\b`)
	sessionText = regexp.MustCompile(`"id":"[0-9a-hjkmnp-tv-z]{20,}"`)
	linkText    = regexp.MustCompile(`http://[^"#]*(#[a-z]+=)[^"]*`)
	streamText  = regexp.MustCompile(`"stream":"[A-Z2-7]{26}"`)
	grantName   = regexp.MustCompile(`"name":"grant[^"]*"`)
)

// steady replaces what is another each time: ids, secrets, and times of today.
func steady(t *testing.T, b []byte) json.RawMessage {
	t.Helper()
	b = uuidText.ReplaceAll(b, []byte("01992345-6789-7abc-8def-0123456789ab"))
	b = messageText.ReplaceAll(b, []byte(`"0123456789abcdef0123456789abcdef-$1"`))
	b = hashText.ReplaceAll(b, []byte(`"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"`))
	b = secretField.ReplaceAll(b, []byte(`"$1":"…"`))
	b = streamText.ReplaceAll(b, []byte(`"stream":"ABCDEFGHIJKLMNOPQRSTUVWXYZ"`))
	b = keyText.ReplaceAll(b, []byte("key-0123456789abcdef"))
	b = alarmText.ReplaceAll(b, []byte("$1-0123456789abcdef"))
	b = silenceText.ReplaceAll(b, []byte("sil-0123456789abcdef"))
	b = commandText.ReplaceAll(b, []byte(pumped.ID))
	b = sessionText.ReplaceAll(b, []byte(`"id":"0123456789abcdefghjk"`))
	b = linkText.ReplaceAll(b, []byte("https://box.example${1}…"))
	b = grantName.ReplaceAll(b, []byte(`"name":"grant-…"`))
	return timeText.ReplaceAllFunc(b, func(at []byte) []byte {
		if when := must[time.Time](t)(time.Parse(store.TimeFormat, string(at))); time.Since(when) > 48*time.Hour {
			return at
		}
		return []byte(exampleTime.Format(store.TimeFormat))
	})
}

// flat is JSON without its layout.
func flat(t *testing.T, b json.RawMessage) string {
	t.Helper()
	if len(b) == 0 {
		return ""
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return out.String()
}
