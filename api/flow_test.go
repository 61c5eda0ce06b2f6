package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/ingest"
	"tidegate/ingest/live"
	"tidegate/store"
)

func TestTelemetry(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	watch := must[*live.Sub](t)(b.hub.Subscribe(live.Filter{Kinds: live.AllKinds, Access: store.Everything()}))
	defer watch.Close()
	c := b.remote(t, "")
	now := time.Now().UTC().Truncate(time.Millisecond)
	id := must[string](t)(c.PostTelemetry(ctx, "SN1", "S", "", []byte(`{"ts":"`+now.Format(store.TimeFormat)+`","readings":[{"port":1,"value":230.5}]}`)))
	if id == "" {
		t.Error("no message id")
	}
	must[live.Batch](t)(watch.Next(ctx))
	l := must[client.List[store.Reading]](t)(b.local.Readings(ctx, client.ReadingQuery{DeviceIDs: []string{"d1"}}))
	if len(l.Items) != 1 || l.Items[0].RawValue != 230.5 || l.Items[0].TS.Time() != now {
		t.Errorf("readings %+v", l.Items)
	}

	var p *client.Problem
	for _, cred := range [][2]string{{"d1", "wrong"}, {"none", "S"}, {"", ""}} {
		if _, err := c.PostTelemetry(ctx, cred[0], cred[1], "", []byte(`{}`)); !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
			t.Errorf("as %q: %v", cred[0], err)
		}
	}
	// An administrator's token is no device's secret.
	if resp, _ := b.do(t, "POST", "/api/v1/telemetry", b.ann(t).AccessToken, "application/json", "{}"); resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(resp.Header.Get("Www-Authenticate"), "Basic") {
		t.Errorf("with a token: %d %v", resp.StatusCode, resp.Header)
	}
	if _, err := c.PostTelemetry(ctx, "d1", "S", "d2", []byte(`{}`)); !errors.As(err, &p) || p.Status != http.StatusForbidden {
		t.Errorf("for another device: %v", err)
	}
	if _, err := c.PostTelemetry(ctx, "d1", "S", "", make([]byte, ingest.MaxPacketBytes+1)); !errors.As(err, &p) || p.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("17 MiB: %v", err)
	}

	g := must[client.Grant](t)(b.local.Grant(ctx, "acme", time.Minute))
	if _, err := c.PostTelemetry(ctx, g.Name, g.Secret, "", []byte(`{}`)); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a grant without a device: %v", err)
	}
	must[string](t)(c.PostTelemetry(ctx, g.Name, g.Secret, "d1", []byte(`{"readings":[{"port":2,"value":1}]}`)))
	must[live.Batch](t)(watch.Next(ctx))
	must[string](t)(c.PostTelemetry(ctx, g.Name, g.Secret, "nobody", []byte(`{"readings":[{"port":2,"value":1}]}`)))
	must[live.Batch](t)(watch.Next(ctx))
	dl := must[client.List[store.DeadLetter]](t)(b.local.DeadLetters(ctx, client.DeadLetterQuery{DeviceID: "nobody"}))
	if len(dl.Items) != 1 || dl.Items[0].Reason != store.ReasonUnknownDevice || dl.Items[0].OrgID != "acme" {
		t.Errorf("dead letters %+v", dl.Items)
	}
}

// fullPipeline has no room.
type fullPipeline struct{ Pipeline }

func (fullPipeline) Submit(*ingest.Message) error { return fmt.Errorf("append: %w", store.ErrFull) }

// brokenPipeline cannot commit.
type brokenPipeline struct{ Pipeline }

func (brokenPipeline) Submit(m *ingest.Message) error {
	m.Ack.Acked(m, store.ErrUnavailable)
	return nil
}

func (brokenPipeline) Trouble() string { return "" }

func TestTelemetryIsRefusedWhileFull(t *testing.T) {
	for name, p := range map[string]Pipeline{"full": fullPipeline{}, "unavailable": brokenPipeline{}} {
		b := newBox(t, func(o *Options) { o.Pipeline = p }).withSample(t)
		_, err := b.remote(t, "").PostTelemetry(t.Context(), "d1", "S", "", []byte(`{}`))
		var pr *client.Problem
		if !errors.As(err, &pr) || pr.Status != 503 || pr.Code != name || pr.RetryAfter == 0 {
			t.Errorf("%s: %v", name, err)
		}
		if name == "unavailable" {
			_, err := b.local.ImportReadings(t.Context(), strings.NewReader("ts,device,port,value\n1,d1,1,1\n"), client.ImportOptions{})
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("import: %v", err)
			}
		}
	}
}

func TestReadings(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: "a9", OrgID: "acme", PortCount: 1}))
	var rows []string
	for i := range 50 {
		for _, s := range []string{"d1,2", "d1,1", "a9,1"} {
			rows = append(rows, fmt.Sprintf("%d,%s,%d", 1_700_000_000_000+int64(i)*1000, s, i))
		}
	}
	b.importCSV(t, client.ImportOptions{}, rows...)
	for _, desc := range []bool{false, true} {
		whole := must[client.List[store.Reading]](t)(b.local.Readings(ctx, client.ReadingQuery{Desc: desc}))
		if len(whole.Items) != 150 || whole.NextCursor != "" {
			t.Fatalf("%d readings, cursor %q", len(whole.Items), whole.NextCursor)
		}
		first := whole.Items[0]
		if desc {
			first = whole.Items[149]
		}
		if first.DeviceID != "a9" || first.TS != 1_700_000_000_000 {
			t.Errorf("the first is %+v", first)
		}
		for _, size := range []int{1, 7, 50, 149, 150} {
			q := client.ReadingQuery{Desc: desc}
			i := 0
			list := func(ctx context.Context, p client.Page) (client.List[store.Reading], error) {
				q.Page = client.Page{Cursor: p.Cursor, Limit: size}
				return b.local.Readings(ctx, q)
			}
			err := client.All(ctx, list, func(r store.Reading) error {
				if w := whole.Items[i]; r.TS != w.TS || r.DeviceID != w.DeviceID || r.PortNumber != w.PortNumber || r.RawValue != w.RawValue {
					return fmt.Errorf("reading %d: %+v, want %+v", i, r, w)
				}
				i++
				return nil
			})
			if err != nil || i != 150 {
				t.Errorf("desc %v, pages of %d: %d readings, %v", desc, size, i, err)
			}
		}
	}
	q := client.ReadingQuery{DeviceIDs: []string{"d1", "a9"}, PortNumbers: []uint16{1}, From: time.UnixMilli(1_700_000_010_000), To: time.UnixMilli(1_700_000_012_000)}
	if l := must[client.List[store.Reading]](t)(b.local.Readings(ctx, q)); len(l.Items) != 4 {
		t.Errorf("a part: %+v", l.Items)
	}
	latest := must[client.List[store.Reading]](t)(b.local.LatestReadings(ctx, client.ReadingQuery{}))
	if len(latest.Items) != 3 || latest.Items[0].DeviceID != "a9" || latest.Items[2].PortNumber != 2 || latest.Items[2].RawValue != 49 {
		t.Errorf("latest %+v", latest.Items)
	}

	must[client.Port](t)(b.local.SetPort(ctx, "d1", 1, client.PortChange{Scaling: ptr(-2.0), EffectiveFrom: ptr(store.Time(0))}))
	q = client.ReadingQuery{DeviceIDs: []string{"d1"}, PortNumbers: []uint16{1}}
	buckets := must[client.List[client.Aggregate]](t)(b.local.Aggregates(ctx, q, 10*time.Second))
	if n := len(buckets.Items); n != 5 {
		t.Fatalf("%d buckets", n)
	}
	want := client.Aggregate{TS: 1_700_000_000_000, DeviceID: "d1", PortNumber: 1, Count: 10, Sum: -90, Mean: -9, Min: -18, Max: 0, First: 0, Last: -18}
	if got := buckets.Items[0]; got != want {
		t.Errorf("bucket %+v, want %+v", got, want)
	}
	q.Ingested = true
	if got := must[client.List[client.Aggregate]](t)(b.local.Aggregates(ctx, q, 10*time.Second)).Items[0]; got.Sum != 45 {
		t.Errorf("as said at ingest: %+v", got)
	}
	q.Limit = 2
	var sums []float64
	for {
		l := must[client.List[client.Aggregate]](t)(b.local.Aggregates(ctx, q, 10*time.Second))
		for _, a := range l.Items {
			sums = append(sums, a.Sum)
		}
		if q.Cursor = l.NextCursor; q.Cursor == "" {
			break
		}
	}
	if fmt.Sprint(sums) != "[45 145 245 345 445]" {
		t.Errorf("sums by pages: %v", sums)
	}
	// An answer without readings is an empty list, not null.
	if _, body := b.do(t, "GET", "/api/v1/readings?deviceId=d1&portNumber=4", b.ann(t).AccessToken, "", ""); strings.TrimSpace(body) != `{"items":[]}` {
		t.Errorf("nothing: %s", body)
	}
}

// TestADayAtOneHertz asks for 86,400 readings in one answer.
func TestADayAtOneHertz(t *testing.T) {
	b := newBox(t).withSample(t)
	var csv strings.Builder
	csv.WriteString("ts,device,port,value\n")
	for i := range 86_400 {
		fmt.Fprintf(&csv, "%d,d1,1,%d.25\n", 1_700_000_000_000+int64(i)*1000, i%250)
	}
	begin := time.Now()
	must[client.ImportCounts](t)(b.local.ImportReadings(t.Context(), strings.NewReader(csv.String()), client.ImportOptions{}))
	t.Logf("import: %v", time.Since(begin))
	token := b.ann(t).AccessToken
	for range 3 {
		begin = time.Now()
		resp, body := b.do(t, "GET", "/api/v1/readings?deviceId=d1&portNumber=1&limit=100000", token, "", "")
		if n := strings.Count(body, `"ts"`); resp.StatusCode != http.StatusOK || n != 86_400 {
			t.Fatalf("%d with %d readings", resp.StatusCode, n)
		}
		t.Logf("answer of %d MB: %v", len(body)/1_000_000, time.Since(begin))
	}
}

func TestDeadLetters(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	b.importCSV(t, client.ImportOptions{}, "1,d1,9,1", "2,d1,9,2", "3,d1,8,3", "4,d1,1,")
	l := must[client.List[store.DeadLetter]](t)(b.local.DeadLetters(ctx, client.DeadLetterQuery{DeviceID: "d1", Page: client.Page{Limit: 3}}))
	if len(l.Items) != 3 || l.NextCursor == "" {
		t.Fatalf("letters %+v", l)
	}
	rest := must[client.List[store.DeadLetter]](t)(b.local.DeadLetters(ctx, client.DeadLetterQuery{Page: client.Page{Limit: 3, Cursor: l.NextCursor}}))
	if len(rest.Items) != 1 || rest.NextCursor != "" {
		t.Errorf("rest %+v", rest)
	}
	one := must[store.DeadLetter](t)(b.local.DeadLetter(ctx, l.Items[0].ID))
	if one.ID != l.Items[0].ID || one.Payload == "" || one.Topic != "org/acme/device/d1/telemetry" || one.Source != "import" {
		t.Errorf("letter %+v", one)
	}
	for _, c := range []struct {
		q client.DeadLetterQuery
		n int64
	}{
		{client.DeadLetterQuery{}, 4},
		{client.DeadLetterQuery{DeviceID: "d1", Page: client.Page{Limit: 1}}, 4},
		{client.DeadLetterQuery{DeviceID: "d1", Reason: store.ReasonUnknownPort}, 3},
		{client.DeadLetterQuery{OrgID: "acme", From: time.Now().Add(time.Hour)}, 0},
	} {
		if n := must[client.LetterCount](t)(b.local.CountDeadLetters(ctx, c.q)); n != (client.LetterCount{Count: c.n}) {
			t.Errorf("%+v counts %+v", c.q, n)
		}
	}
	must[client.Port](t)(b.local.SetPort(ctx, "d1", 9, client.PortChange{}))
	res := must[client.ReplayResult](t)(b.local.ReplayDeadLetters(ctx, client.Replay{LetterSelection: client.LetterSelection{DeviceID: "d1"}}))
	if res != (client.ReplayResult{Stored: 2, Rejected: 2}) {
		t.Errorf("replay %+v", res)
	}
	if n := must[int](t)(b.local.DeleteDeadLetters(ctx, client.LetterSelection{Reason: store.ReasonUnknownPort})); n != 1 {
		t.Errorf("%d deleted", n)
	}
	l = must[client.List[store.DeadLetter]](t)(b.local.DeadLetters(ctx, client.DeadLetterQuery{}))
	if len(l.Items) != 1 || l.Items[0].Reason != store.ReasonValueMissing {
		t.Errorf("left %+v", l.Items)
	}
	if n := must[int](t)(b.local.DeleteDeadLetters(ctx, client.LetterSelection{IDs: []string{l.Items[0].ID}})); n != 1 {
		t.Errorf("%d deleted by id", n)
	}
	led := must[store.Ledger](t)(b.local.Ledger(ctx))
	if led.Received != 4 || led.Stored != 2 || led.Rejected != 2 || led.Pending != 0 {
		t.Errorf("ledger %+v", led)
	}
	hours := must[client.List[store.LedgerHour]](t)(b.local.LedgerHours(ctx, "d1", time.Time{}, time.Time{}))
	if len(hours.Items) != 1 || hours.Items[0].DeviceID != "d1" || hours.Items[0].Received != 4 || hours.Items[0].Rejected != 2 {
		t.Errorf("hours %+v", hours.Items)
	}
	if _, err := b.local.LedgerHours(ctx, "none", time.Time{}, time.Time{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("hours of an absent device: %v", err)
	}
}

type months []RetentionMonth

func (m months) KeepMonths() int                                          { return 2 }
func (m months) Preview(context.Context, int) ([]RetentionMonth, error)   { return m, nil }
func (m months) Apply(_ context.Context, n int) ([]RetentionMonth, error) { return m[:n], nil }

func TestOperation(t *testing.T) {
	b := newBox(t, func(o *Options) {
		o.Status = func(context.Context) (Status, error) {
			return Status{Ready: true, Version: "v1", Store: "embedded"}, nil
		}
		o.Retention = months{{Month: "2025-01", Bytes: 5}, {Month: "2025-02", Bytes: 6}}
		o.Backup = func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, strings.Repeat("x", 200_000))
			return err
		}
	})
	ctx := t.Context()
	st := must[client.Status](t)(b.local.Status(ctx))
	if !st.Ready || st.Version != "v1" || st.Warnings == nil || !strings.Contains(string(st.Raw), `"diskFreeBytes"`) {
		t.Errorf("status %+v", st)
	}
	if r := must[client.Retention](t)(b.local.RetentionPreview(ctx, 0)); r.KeepMonths != 2 || len(r.Months) != 2 || r.Months[1].Month != "2025-02" {
		t.Errorf("preview %+v", r)
	}
	if r := must[client.Retention](t)(b.local.RetentionApply(ctx, 1)); r.KeepMonths != 1 || len(r.Months) != 1 {
		t.Errorf("apply %+v", r)
	}
	if _, err := b.local.RetentionApply(ctx, 0); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("keeping nothing: %v", err)
	}
	var w bytes.Buffer
	if n := must[int64](t)(b.local.Backup(ctx, &w)); n != 200_000 || w.Len() != 200_000 {
		t.Errorf("backup of %d bytes", n)
	}
}

// TestHalfABackup: what broke off is not taken for the whole.
func TestHalfABackup(t *testing.T) {
	b := newBox(t, func(o *Options) {
		o.Backup = func(_ context.Context, w io.Writer) error {
			_, _ = io.WriteString(w, strings.Repeat("x", 200_000))
			return errors.New("the disk is gone")
		}
	})
	if _, err := b.local.Backup(t.Context(), io.Discard); err == nil {
		t.Error("half a backup is taken for a whole one")
	}
	if !strings.Contains(b.logged.String(), "the disk is gone") {
		t.Error("the log does not say why")
	}
}
