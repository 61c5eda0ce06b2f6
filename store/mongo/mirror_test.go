package mongo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo"
	"tidegate/store/mongo/mongotest"
)

// folder is what a mirror copies, and where.
type folder struct {
	t      *testing.T
	dir    string
	state  *embedded.State
	audit  *embedded.Audit
	alerts *embedded.Alerts
	books  *books
	proxy  *mongotest.Proxy
	db     *mongo.Database
	there  *driver.Database // as everybody sees it
	log    store.LogID
	seq    uint64

	mirror *mongo.Mirror
	stop   func()
}

// books is a ledger.
type books struct {
	mu   sync.Mutex
	rows []store.LedgerHour
}

func (b *books) LedgerHours(_ context.Context, from, to int64) ([]store.LedgerHour, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []store.LedgerHour
	for _, r := range b.rows {
		if hour := int64(r.Hour) / 3_600_000; hour >= from && hour < to {
			out = append(out, r)
		}
	}
	return out, nil
}

func (b *books) set(hour int64, device string, stored, rejected uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := store.LedgerHour{Hour: store.Time(hour * 3_600_000), DeviceID: device, Ledger: store.Ledger{Received: stored + rejected, Stored: stored, Rejected: rejected}}
	for i := range b.rows {
		if b.rows[i].Hour == r.Hour && b.rows[i].DeviceID == device {
			b.rows[i] = r
			return
		}
	}
	b.rows = append(b.rows, r)
}

func newFolder(t *testing.T) *folder {
	t.Helper()
	s := mongotest.Shared(t, mongotest.ReplicaSet)
	f := &folder{t: t, dir: t.TempDir(), books: &books{}, proxy: mongotest.NewProxy(t, s.Addr()), log: store.LogID{7}}
	name := mongotest.Database(t)
	uri := s.URI(t, name)
	client, err := driver.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		t.Fatal(err)
	}
	f.there = client.Database(name)
	if f.db, err = mongo.Open(mongo.Options{URI: f.proxy.URI(uri), Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	f.openAudit()
	f.state, err = embedded.OpenState(filepath.Join(f.dir, "state.db"), embedded.StateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.state.Bind(store.Bounds{Log: f.log, Head: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	f.openAlerts()
	t.Cleanup(func() {
		f.end()
		ctx := context.Background()
		for _, err := range []error{f.state.Close(), f.alerts.Close(), f.audit.Close(), f.db.Close(ctx), client.Disconnect(ctx)} {
			if err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return f
}

func (f *folder) openAudit() {
	f.t.Helper()
	var err error
	if f.audit, err = embedded.OpenAudit(filepath.Join(f.dir, "audit.log"), embedded.AuditOptions{}); err != nil {
		f.t.Fatal(err)
	}
}

// begin runs a new mirror, as a process does that starts. Its clock goes ten
// minutes a second, so that the ledger is due all the time.
func (f *folder) begin() {
	f.t.Helper()
	began := time.Now()
	m, err := mongo.NewMirror(f.db, mongo.MirrorOptions{
		Log: f.log, Letters: f.state, Audit: f.audit, Ledger: f.books, Events: f.alerts, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return began.Add(600 * time.Since(began)) },
	})
	if err != nil {
		f.t.Fatal(err)
	}
	m.Hurry(10 * time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); m.Run(ctx) }()
	f.mirror, f.stop = m, func() { cancel(); <-ended }
}

func (f *folder) end() {
	if f.stop != nil {
		f.stop()
		f.stop = nil
	}
}

// reject makes dead letters of one message, and answers their ids.
func (f *folder) reject(n int) []store.LetterID {
	f.t.Helper()
	f.seq++
	r := store.Rejection{
		Seq: f.seq, ReceivedAt: time.Now().UnixMilli(), UID: 1, OrgID: "acme", DeviceID: "d1", Topic: "org/acme/device/d1/telemetry",
		Source: "mqtt", Principal: "device:d1", Payload: []byte("{\"a\xff\":1}"), Size: 8,
	}
	var ids []store.LetterID
	for i := range n {
		r.Letters = append(r.Letters, store.Letter{Index: uint32(i), Reason: store.ReasonUnknownPort, Detail: "registered 1-2", Port: "9"})
		ids = append(ids, store.LetterID{Seq: f.seq, Index: uint32(i)})
	}
	f.must(f.state.Reject(f.t.Context(), f.seq, []store.Rejection{r}, nil))
	f.must(f.state.Flush(f.t.Context(), 0))
	return ids
}

func (f *folder) record(actor, action string) store.AuditEntry {
	f.t.Helper()
	e, err := f.audit.Record(f.t.Context(), store.AuditEntry{
		At: store.Time(time.Now().UnixMilli()), Actor: actor, Action: action, Noun: "device", ID: "d1",
		Before: json.RawMessage(`{"name":"old","ports":[1,2.5],"a.b":{"$c":null}}`), After: json.RawMessage(`{}`),
	})
	f.must(err)
	return e
}

func (f *folder) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *folder) until(what string, cond func() bool) {
	f.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(10 * time.Millisecond); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			f.t.Fatalf("it did not come to that: %s", what)
		}
	}
}

// has answers the documents of a collection in order of _id.
func (f *folder) has(name string) []bson.M {
	f.t.Helper()
	cur, err := f.there.Collection(name).Find(f.t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	var docs []bson.M
	if err == nil {
		err = cur.All(f.t.Context(), &docs)
	}
	f.must(err)
	return docs
}

// letters answers the ids and reasons that are there.
func (f *folder) letters() string {
	f.t.Helper()
	var out []string
	for _, d := range f.has("deadletters") {
		out = append(out, fmt.Sprint(d["id"], " ", d["reason"]))
	}
	return strings.Join(out, ", ")
}

// local answers what letters should answer.
func (f *folder) local() string {
	f.t.Helper()
	list, err := f.state.ListDeadLetters(f.t.Context(), store.LetterFilter{Limit: 10_000})
	f.must(err)
	slices.Reverse(list)
	var out []string
	for _, l := range list {
		out = append(out, fmt.Sprint(l.ID, " ", l.Reason))
	}
	return strings.Join(out, ", ")
}

// TestMirror: dead letters, audit entries and the ledger are in the database
// as the API shows them, and what becomes of a letter later is too.
func TestMirror(t *testing.T) {
	f := newFolder(t)
	ids := f.reject(3)
	e := f.record("user:ann@example.org", "device.create")
	hour := time.Now().UnixMilli() / 3_600_000
	f.books.set(hour, "d1", 10, 3)
	f.books.set(hour-24*400, "d1", 7, 0)
	f.books.set(1, "", 1, 0) // by a clock that was not set
	f.begin()
	f.until("all is there", func() bool {
		return f.mirror.Behind() == 0 && len(f.has("deadletters")) == 3 && len(f.has("audit")) == 1 && len(f.has("ledger")) == 3
	})
	l := f.has("deadletters")[1]
	if l["id"] != "1-1" || l["reason"] != "unknown_port" || l["deviceId"] != "d1" || l["orgId"] != "acme" || l["port"] != "9" ||
		l["payload"] != "{\"a\uFFFD\":1}" || l["payloadBytes"] != int64(8) || l["principal"] != "device:d1" {
		t.Errorf("letter %v", l)
	}
	if _, ok := l["receivedAt"].(bson.DateTime); !ok {
		t.Errorf("receivedAt is a %T", l["receivedAt"])
	}
	a := f.has("audit")[0]
	before, _ := a["before"].(bson.D)
	if a["seq"] != int64(1) || a["actor"] != "user:ann@example.org" || a["action"] != "device.create" || a["hash"] != e.Hash || a["prev"] != e.Prev ||
		fmt.Sprint(before) != `{"name":"old","ports":[{"$numberLong":"1"},{"$numberDouble":"2.5"}],"a.b":{"$c":null}}` {
		t.Errorf("entry %v", a)
	}
	for _, r := range f.has("ledger") {
		if r["hour"] == bson.DateTime(hour*3_600_000) && (r["deviceId"] != "d1" || r["received"] != int64(13) || r["stored"] != int64(10) || r["rejected"] != int64(3)) {
			t.Errorf("row %v", r)
		}
	}

	// One comes back, one is rejected for another reason, one is deleted; the
	// ledger moves in its old hour.
	ctx := t.Context()
	f.seq++
	for i, id := range ids[:2] {
		if ok, err := f.state.Claim(ctx, f.seq, uint32(i), id); err != nil || !ok {
			t.Fatalf("claim %s: %v, %v", id, ok, err)
		}
	}
	f.must(f.state.Reject(ctx, f.seq, nil, []store.Settlement{
		{Seq: f.seq, Index: 0, ID: ids[0]}, {Seq: f.seq, Index: 1, ID: ids[1], Again: store.ReasonWrongType, Detail: "again"},
	}))
	f.must(f.state.Flush(ctx, 0))
	f.until("the settlements are there", func() bool { return f.letters() == "1-1 wrong_type, 1-2 unknown_port" })
	_, err := f.state.DeleteDeadLetters(ctx, ids[2:])
	f.must(err)
	f.books.set(hour-24*400, "d1", 8, 0)
	f.reject(1)
	f.record("uid:0", "device.delete")
	f.until("the rest is there", func() bool {
		stored := int64(0)
		for _, r := range f.has("ledger") {
			stored += r["stored"].(int64)
		}
		return f.letters() == f.local() && len(f.has("audit")) == 2 && stored == 19 && f.mirror.Behind() == 0
	})
}

// TestMirrorAfterAnOutage: what came while the database was away, or while the
// process was not there, is made up for, and nothing is copied twice.
func TestMirrorAfterAnOutage(t *testing.T) {
	f := newFolder(t)
	hour := time.Now().UnixMilli() / 3_600_000
	f.begin()
	f.reject(1)
	f.record("uid:0", "device.create")
	f.books.set(hour, "d1", 1, 1)
	f.until("the first are there", func() bool {
		return f.mirror.Behind() == 0 && len(f.has("deadletters")) == 1 && len(f.has("audit")) == 1 && len(f.has("ledger")) == 1
	})
	f.proxy.Refuse(true)
	f.until("the outage is noticed", func() bool { return !f.db.Status().Reachable })
	ids := f.reject(1200) // more than go in one piece
	for range 120 {
		f.record("uid:0", "device.update")
	}
	f.books.set(hour, "d1", 2, 1201)
	f.books.set(hour-1, "d2", 5, 0)
	// Of the first ones replies may be lost: those are copied again.
	f.until("it says how much it is behind", func() bool { n := f.mirror.Behind(); return n >= 1200+120+2 && n <= 1201+121+2 })
	f.end()
	f.begin() // another process, which begins without the database
	f.proxy.Refuse(false)
	f.must(f.db.Ready(t.Context())) // as the catalogue asks all the time
	f.until("all is there", func() bool { return f.mirror.Behind() == 0 && len(f.has("audit")) == 121 && f.letters() == f.local() })
	f.until("the ledger is there", func() bool { return len(f.has("ledger")) == 2 })

	_, err := f.state.DeleteDeadLetters(t.Context(), ids[:1150])
	f.must(err)
	f.until("the deleted ones are gone", func() bool { return f.letters() == f.local() })
	f.end()
	f.must(f.there.Collection("deadletters").Drop(t.Context())) // somebody else did
	f.begin()
	f.until("they are there again", func() bool { return f.letters() == f.local() })
	f.end()
	inserts, updates := f.proxy.Commands("insert"), f.proxy.Commands("update")
	f.begin()
	f.reject(1)
	f.record("uid:0", "device.update")
	f.books.set(hour, "d1", 3, 1201)
	f.until("it goes on", func() bool {
		return f.letters() == f.local() && len(f.has("audit")) == 122 && fmt.Sprint(f.has("ledger")[1]["stored"]) == "3"
	})
	if i, u := f.proxy.Commands("insert")-inserts, f.proxy.Commands("update")-updates; i != 1 || u != 2 {
		t.Errorf("a mirror that begins where all is there sent %d inserts and %d updates for a letter, an entry and a row", i, u)
	}
}

// TestMirrorAfterARestore: a trail that was put back from a backup goes on
// beside what came after it, and letters that get ids anew replace the old ones.
func TestMirrorAfterARestore(t *testing.T) {
	f := newFolder(t)
	for i := range 5 {
		f.record("uid:0", fmt.Sprintf("device.before_%d", i))
	}
	older, err := os.ReadFile(filepath.Join(f.dir, "audit.log"))
	f.must(err)
	for i := range 3 {
		f.record("uid:0", fmt.Sprintf("device.lost_%d", i))
	}
	f.begin()
	f.until("all are there", func() bool { return len(f.has("audit")) == 8 })
	f.end()
	f.must(f.audit.Close())
	f.must(os.WriteFile(filepath.Join(f.dir, "audit.log"), older, 0o600))
	f.openAudit()
	f.record("uid:0", "device.after_0")
	f.begin()
	f.until("the new one is there", func() bool { return len(f.has("audit")) == 9 && f.mirror.Behind() == 0 })
	f.record("uid:0", "device.after_1")
	f.until("it goes on", func() bool { return len(f.has("audit")) == 10 })
	var actions []string
	for _, d := range f.has("audit") {
		actions = append(actions, fmt.Sprint(d["seq"], d["action"]))
	}
	slices.Sort(actions)
	want := "1device.before_0 2device.before_1 3device.before_2 4device.before_3 5device.before_4 6device.after_0 6device.lost_0 7device.after_1 7device.lost_1 8device.lost_2"
	if got := strings.Join(actions, " "); got != want {
		t.Errorf("the trail there is %s\nwant %s", got, want)
	}
}

// TestMirrorRefused: what the server refuses for itself keeps nothing else out.
func TestMirrorRefused(t *testing.T) {
	s := mongotest.Start(t, mongotest.Options{})
	name := mongotest.Database(t)
	db, err := mongo.Open(mongo.Options{URI: s.URI(t, name), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close(context.Background()) }()
	if err := db.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Admin(t, func(c *driver.Client) error {
		for collection, validator := range map[string]bson.D{
			"audit":       {{Key: "actor", Value: bson.D{{Key: "$ne", Value: "mallory"}}}},
			"deadletters": {{Key: "id", Value: bson.D{{Key: "$ne", Value: "1-1"}}}},
			"alertevents": {{Key: "message", Value: bson.D{{Key: "$ne", Value: "refused"}}}},
		} {
			if err := c.Database(name).RunCommand(t.Context(), bson.D{{Key: "collMod", Value: collection}, {Key: "validator", Value: validator}}).Err(); err != nil {
				return err
			}
		}
		return nil
	})
	f := &folder{t: t, dir: t.TempDir(), books: &books{}, db: db, log: store.LogID{7}}
	f.openAudit()
	defer func() { _ = f.audit.Close() }()
	if f.state, err = embedded.OpenState(filepath.Join(f.dir, "state.db"), embedded.StateOptions{}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.state.Close() }()
	if err := f.state.Bind(store.Bounds{Log: f.log, Head: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	f.openAlerts()
	defer func() { _ = f.alerts.Close() }()
	events := []store.AlertEvent{alarm(1, store.AlertFiring), alarm(2, store.AlertFiring), alarm(3, store.AlertFiring)}
	events[1].Message = "refused"
	f.raise(events...)
	f.reject(3)
	for _, actor := range []string{"ann", "mallory", "bob"} {
		f.record(actor, "device.update")
	}
	f.begin()
	defer f.end()
	count := func(collection string) (n int64) {
		s.Admin(t, func(c *driver.Client) (err error) {
			n, err = c.Database(name).Collection(collection).CountDocuments(t.Context(), bson.D{})
			return err
		})
		return n
	}
	f.until("it went on", func() bool { return count("audit") == 2 && count("deadletters") == 2 && count("alertevents") == 2 })
	f.record("carl", "device.update")
	f.reject(1)
	f.raise(alarm(4, store.AlertFiring))
	f.until("it went on again", func() bool {
		return count("audit") == 3 && count("deadletters") == 3 && count("alertevents") == 3 && f.mirror.Behind() == 0
	})
	if got, err := f.mirror.Refused(); got != 3 || err != nil {
		t.Errorf("%v documents were refused, %v: each is tried once", got, err)
	}
}

func TestBSONOf(t *testing.T) {
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for in, want := range map[string]any{
		``:                     nil,
		`null`:                 nil,
		`"x"`:                  "x",
		`true`:                 true,
		`12`:                   int64(12),
		`-1.5`:                 -1.5,
		`12345678901234567890`: 12345678901234567890.0,
		`{"b":1,"a":[]}`:       bson.D{{Key: "b", Value: int64(1)}, {Key: "a", Value: bson.A{}}},
		`{"a\u0000b":"c"}`:     bson.D{{Key: "a\uFFFDb", Value: "c"}},
		`{"a":`:                `{"a":`,
		deep:                   deep,
	} {
		if got := mongo.BSONOf(json.RawMessage(in)); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%.30s: %v, want %v", in, got, want)
		}
	}
}
