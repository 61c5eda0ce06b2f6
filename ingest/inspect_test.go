package ingest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"tidegate/ingest"
	"tidegate/ingest/live"
	"tidegate/store"
)

// TestInspector: whoever inspects a device sees each of its messages as it came,
// and what became of every reading; of other devices nothing is made.
func TestInspector(t *testing.T) {
	b := newBox(t)
	b.watchable()
	b.open()
	b.device("d1", 2)
	b.device("d2", 1)
	scaled := store.Port{DeviceID: "d1", Number: 2, Name: "Heat", Calibrations: []store.Calibration{{Number: 1, Scaling: 2, Offset: 1, CreatedAt: time.Now()}}}
	if err := b.catalog.PutPort(t.Context(), scaled); err != nil {
		t.Fatal(err)
	}
	b.refresh("d1")
	sub, err := b.live.Subscribe(live.Filter{
		Kinds: live.Kinds(0).With(live.KindMessage), Access: store.RoleAccess(store.RoleViewer, "acme"), Devices: map[string]struct{}{"d1": {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	next := func() (live.Event, live.Message) {
		t.Helper()
		got, err := sub.Next(t.Context())
		if err != nil || len(got.Events) != 1 {
			t.Fatalf("%+v %v", got, err)
		}
		var m live.Message
		if err := json.Unmarshal(got.Events[0].Body, &m); err != nil {
			t.Fatal(err)
		}
		return got.Events[0].Event, m
	}
	at := time.Now().Add(-time.Minute).UTC().Truncate(time.Millisecond)
	ts := at.Format(store.TimeFormat)
	payload := fmt.Sprintf(`{"ts":%q,"readings":[{"port":"Heat","value":20},{"port":9,"value":1.5},{"port":1,"value":"x"},{"port":1,"value":3},{"port":1,"value":3},{"port":1,"value":4}]}`, ts)
	b.send("d2", `{"readings":[{"port":1,"value":1}]}`) // nobody inspects it
	b.send("d1", payload)
	e, m := next()
	if e.OrgID != "acme" || e.DeviceID != "d1" || e.At == 0 || m.Topic != "org/acme/device/d1/telemetry" || m.Bytes != len(payload) || m.Payload != payload || m.Truncated || m.Binary {
		t.Errorf("%+v\n%+v", e, m)
	}
	var got []string
	for _, r := range m.Readings {
		text := func(p *float64) string {
			if p == nil {
				return "-"
			}
			return fmt.Sprint(*p)
		}
		number, when := "-", "-"
		if r.PortNumber != nil {
			number = fmt.Sprint(*r.PortNumber)
		}
		if r.TS != nil {
			when = fmt.Sprint(r.TS.Time().Equal(at))
		}
		got = append(got, strings.Join([]string{r.Port, number, when, text(r.RawValue), text(r.CalibratedValue), r.Outcome, r.Reason}, " "))
	}
	want := []string{
		"Heat 2 true 20 41 accepted ", "9 - true 1.5 - rejected unknown_port", "1 1 - - - rejected wrong_type",
		"1 1 true 3 3 accepted ", "1 1 true 3 3 accepted ", "1 1 true 4 - rejected conflict",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("readings:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(m.Readings) == 6 && (m.Readings[1].Detail == "" || m.Readings[3].Detail != "" || m.Readings[4].Detail != "it was stored before") {
		t.Errorf("details: %+v", m.Readings)
	}

	// A message that is none, longer than is shown, cut within a character.
	long := strings.Repeat("x", live.MessagePayload-1) + "äää"
	b.send("d1", long)
	if _, m = next(); m.Payload != long[:live.MessagePayload-1] || !m.Truncated || m.Binary || m.Bytes != len(long) || len(m.Readings) != 1 || m.Readings[0].Reason != "malformed_json" || m.Readings[0].Detail == "" {
		t.Errorf("%+v", m)
	}
	b.send("d1", "\xff\xfe{")
	if _, m = next(); !m.Binary || m.Truncated || m.Readings[0].Outcome != "rejected" {
		t.Errorf("%+v", m)
	}
	// Too many readings are one rejection; many are shown in part.
	many := `{"readings":[` + strings.Repeat(`{"port":1,"value":1},`, live.MessageReadings) + `{"port":9,"value":1}]}`
	b.send("d1", many)
	if _, m = next(); len(m.Readings) != live.MessageReadings || m.Readings[0].Flags[0] != "server_ts" {
		t.Errorf("%d readings", len(m.Readings))
	}
	// Over HTTP there is no topic.
	uid, _ := b.devices.Lookup("acme", "d1")
	if err := b.flow.Submit(&ingest.Message{Source: ingest.SourceHTTP, UID: uid, OrgID: "acme", DeviceID: "d1", Payload: []byte(`{"readings":[]}`)}); err != nil {
		t.Fatal(err)
	}
	if _, m = next(); m.Topic != "" || m.Readings == nil {
		t.Errorf("%+v", m)
	}
}

// TestMadeForWatchers: readings of devices that nobody watches are not made.
func TestMadeForWatchers(t *testing.T) {
	b := newBox(t)
	b.watchable()
	b.open()
	b.device("d1", 2)
	b.device("d2", 2)
	sub, err := b.live.Subscribe(live.Filter{Kinds: live.Kinds(0).With(live.KindReading), Access: store.Everything(), Ports: map[live.Port]struct{}{{DeviceID: "d1", Number: 2}: {}}})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	before := b.live.Seq()
	const both = `{"readings":[{"port":1,"value":1},{"port":2,"value":2}]}`
	b.send("d2", both)
	b.send("d1", both)
	b.send("d2", both)
	got, err := sub.Next(t.Context())
	if err != nil || len(got.Events) != 1 || got.Events[0].DeviceID != "d1" || got.Events[0].Reading.PortNumber != 2 {
		t.Errorf("%+v %v", got, err)
	}
	if made := b.live.Seq() - before; made != 2 {
		t.Errorf("%d readings were made, want the two of d1", made)
	}
}
