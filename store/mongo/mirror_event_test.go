package mongo_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
	"tidegate/store/embedded"
)

const alarmsBegan = 1_757_160_000_000

func (f *folder) openAlerts() {
	f.t.Helper()
	var err error
	f.alerts, err = embedded.OpenAlerts(filepath.Join(f.dir, "alerts.db"), embedded.AlertsOptions{
		MaxEvents: 3000, Now: func() time.Time { return time.UnixMilli(alarmsBegan) },
	})
	if err == nil {
		err = f.alerts.Bind(store.Bounds{Log: f.log, Head: 1 << 40})
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func alarm(n int, state store.AlertState) store.AlertEvent {
	at := int64(alarmsBegan + n)
	e := store.AlertEvent{
		ID: store.AlertEventID("rule-hot", store.Series{UID: 1, Port: 1}, at), RuleID: "rule-hot", RuleName: "Too hot", Revision: 3,
		OrgID: "acme", DeviceID: "d1", UID: 1, PortNumber: 1, Kind: store.CondAbove, Severity: store.SeverityWarning, State: state,
		StartedAt: store.Time(at), FiredAt: store.Time(at + 1), Message: fmt.Sprint("hot ", n),
	}
	if state == store.AlertResolved {
		end := store.Time(at + 2)
		e.ResolvedAt, e.End = &end, store.EndCleared
	}
	return e
}

func (f *folder) raise(events ...store.AlertEvent) {
	f.t.Helper()
	f.must(f.alerts.Commit(f.t.Context(), store.AlertCommit{Applied: 1, Events: events}))
}

// events answers what is there, in order of id: number and state.
func (f *folder) events() string {
	f.t.Helper()
	var out []string
	for _, d := range f.has("alertevents") {
		out = append(out, fmt.Sprint(d["message"], " ", d["status"]))
	}
	return strings.Join(out, ", ")
}

// alarms answers what events should answer.
func (f *folder) alarms() string {
	f.t.Helper()
	list, err := f.alerts.ListAlertEvents(f.t.Context(), store.AlertEventFilter{Limit: 10_000})
	f.must(err)
	slices.Reverse(list)
	var out []string
	for _, e := range list {
		out = append(out, fmt.Sprint(e.Message, " ", e.State))
	}
	return strings.Join(out, ", ")
}

// TestMirrorEvents: an episode is in the database with the fields of the API,
// and what becomes of it is too.
func TestMirrorEvents(t *testing.T) {
	f := newFolder(t)
	e := alarm(1, store.AlertFiring)
	first, inf, at := 80.5, math.Inf(1), store.Time(alarmsBegan+9)
	e.PortName, e.Unit, e.Labels = "Boiler", "°C", map[string]string{"site": "north", "a.b": "x\xff"}
	e.First, e.Worst, e.WorstAt, e.Last = &first, &inf, &at, &first
	e.Message, e.Silenced = "hot \xff", "sil-1"
	f.raise(e)
	f.begin()
	f.until("it is there", func() bool { return f.mirror.Behind() == 0 && len(f.has("alertevents")) == 1 })
	d := f.has("alertevents")[0]
	for field, want := range map[string]any{
		"_id": e.ID, "log": f.log.String(), "organizationId": "acme", "ruleId": "rule-hot", "ruleName": "Too hot", "ruleRevision": int64(3), "deviceId": "d1",
		"portNumber": int32(1), "portName": "Boiler", "unit": "°C", "kind": "above", "severity": "warning", "status": "firing",
		"startedAt": bson.DateTime(e.StartedAt), "triggeredAt": bson.DateTime(e.FiredAt), "first": 80.5, "worst": inf, "worstAt": bson.DateTime(at), "last": 80.5,
		"message": "hot \uFFFD", "silencedBy": "sil-1", "labels": `{"a.b":"x` + "\uFFFD" + `","site":"north"}`,
	} {
		if got := d[field]; got != want && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v (%T), want %v", field, got, got, want)
		}
	}
	for _, field := range []string{"resolvedAt", "end", "acknowledged", "comments", "flaps", "escalated"} {
		if got, ok := d[field]; ok {
			t.Errorf("%s is %v", field, got)
		}
	}

	over := alarm(1, store.AlertResolved)
	over.Acknowledged = &store.Acknowledgement{By: "user:ann@example.org", At: at, Comment: "on my way"}
	over.Comments = []store.Comment{{By: "user:bob@example.org", At: at, Text: "pump"}}
	over.Flaps, over.Escalated = 2, true
	f.raise(alarm(2, store.AlertFiring))
	f.raise(over)
	f.until("the changes are there", func() bool { return f.events() == "hot 1 resolved, hot 2 firing" })
	d = f.has("alertevents")[0]
	for field, want := range map[string]any{
		"resolvedAt": bson.DateTime(*over.ResolvedAt), "end": "cleared", "flaps": int64(2), "escalated": true, "change": int64(3),
		"acknowledged": `{"by":"user:ann@example.org","at":{"$date":{"$numberLong":"1757160000009"}},"comment":"on my way"}`,
		"comments":     `[{"by":"user:bob@example.org","at":{"$date":{"$numberLong":"1757160000009"}},"text":"pump"}]`,
	} {
		if got := d[field]; got != want && fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v (%T), want %v", field, got, got, want)
		}
	}
}

// TestMirrorEventsAfterAnOutage: what came and changed while the database was
// away, or the process, is made up for.
func TestMirrorEventsAfterAnOutage(t *testing.T) {
	f := newFolder(t)
	f.raise(alarm(0, store.AlertFiring), alarm(1, store.AlertFiring))
	f.begin()
	f.until("the first are there", func() bool { return f.mirror.Behind() == 0 && f.events() == f.alarms() })
	f.proxy.Refuse(true)
	f.until("the outage is noticed", func() bool { return !f.db.Status().Reachable })
	var many []store.AlertEvent
	for n := range 1200 { // more than go in one piece
		many = append(many, alarm(n, store.AlertResolved))
	}
	f.raise(many...)
	f.until("it says how much it is behind", func() bool { return f.mirror.Behind() == 1200 })
	f.end()
	f.begin() // another process, which begins without the database
	f.proxy.Refuse(false)
	f.must(f.db.Ready(t.Context()))
	f.until("all is there", func() bool { return f.mirror.Behind() == 0 && f.events() == f.alarms() })
	f.end()

	f.must(f.there.Collection("alertevents").Drop(t.Context())) // somebody else did
	f.begin()
	f.until("they are there again", func() bool { return f.events() == f.alarms() })
	_, err := f.there.Collection("alertevents").UpdateOne(t.Context(), bson.D{{Key: "_id", Value: many[700].ID}}, bson.D{{Key: "$set", Value: bson.D{{Key: "status", Value: "firing"}, {Key: "sum", Value: int64(1)}}}})
	f.must(err)
	f.until("what differs is put right", func() bool { return f.events() == f.alarms() })
	f.end()
	updates := f.proxy.Commands("update")
	f.begin()
	f.raise(alarm(1, store.AlertFiring))
	f.until("it goes on", func() bool { return f.mirror.Behind() == 0 && f.events() == f.alarms() })
	if n := f.proxy.Commands("update") - updates; n != 1 {
		t.Errorf("a mirror that begins where all is there sent %d updates for one change", n)
	}
}

// TestMirrorEventsAfterARestore: an older copy of the file gives numbers of
// changes anew. What it does not know of and goes on, goes; what is over stays,
// and so does what is another folder's.
func TestMirrorEventsAfterARestore(t *testing.T) {
	f := newFolder(t)
	f.raise(alarm(1, store.AlertFiring), alarm(2, store.AlertFiring))
	f.must(f.alerts.Close())
	older, err := os.ReadFile(filepath.Join(f.dir, "alerts.db"))
	f.must(err)
	f.openAlerts()
	f.raise(alarm(1, store.AlertResolved), alarm(3, store.AlertFiring))
	f.raise(alarm(4, store.AlertResolved))
	f.begin()
	f.until("all are there", func() bool { return f.mirror.Behind() == 0 && f.events() == f.alarms() })
	f.end()
	_, err = f.there.Collection("alertevents").InsertOne(t.Context(), bson.D{
		{Key: "_id", Value: alarm(9, "").ID}, {Key: "log", Value: "another"}, {Key: "status", Value: "firing"}, {Key: "message", Value: "hot 9"}, {Key: "change", Value: int64(99)},
	})
	f.must(err)

	f.must(f.alerts.Close())
	f.must(os.WriteFile(filepath.Join(f.dir, "alerts.db"), older, 0o600))
	f.openAlerts()
	f.raise(alarm(5, store.AlertFiring), alarm(6, store.AlertFiring)) // these take the numbers of others
	f.begin()
	f.until("the older copy counts", func() bool {
		return f.events() == "hot 1 firing, hot 2 firing, hot 4 resolved, hot 5 firing, hot 6 firing, hot 9 firing"
	})
	f.raise(alarm(2, store.AlertResolved))
	f.until("it goes on", func() bool {
		return f.events() == "hot 1 firing, hot 2 resolved, hot 4 resolved, hot 5 firing, hot 6 firing, hot 9 firing" && f.mirror.Behind() == 0
	})
	f.end()

	// The folder adopts another log: its episodes are the new one's.
	f.log = store.LogID{8}
	f.must(f.alerts.Close())
	f.alerts, err = embedded.OpenAlerts(filepath.Join(f.dir, "alerts.db"), embedded.AlertsOptions{Now: func() time.Time { return time.UnixMilli(alarmsBegan) }})
	f.must(err)
	f.must(f.alerts.Adopt(store.Bounds{Log: f.log, Head: 1}))
	f.must(f.alerts.Bind(store.Bounds{Log: f.log, Head: 1}))
	f.begin()
	f.until("they are the new log's", func() bool {
		mine := 0
		for _, d := range f.has("alertevents") {
			if d["log"] == f.log.String() {
				mine++
			}
		}
		return mine == 4 && len(f.has("alertevents")) == 6
	})
}
