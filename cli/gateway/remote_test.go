package gateway

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo/mongotest"
)

// TestFirstStartNeedsTheDatabase: a folder that never reached the database says
// so, and is as new afterwards.
func TestFirstStartNeedsTheDatabase(t *testing.T) {
	p, uri := mongod(t)
	p.Refuse(true)
	b := newBox(t, uri)
	err := b.tryStart()
	if err == nil || !strings.Contains(err.Error(), "first start with MONGO_URI needs the server") {
		t.Fatalf("started without: %v", err)
	}
	if strings.Contains(err.Error(), "@") {
		t.Errorf("the error shows credentials: %v", err)
	}
	if _, err := os.Stat(b.path("secrets/device.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key is left that nothing was hashed with: %v", err)
	}
	p.Refuse(false)
	b.start()
	b.sample()
	if s := b.status(); s.Store != "mongo" || s.Database == nil || !s.Database.Reachable || s.Database.Kind != "replica set" || s.Database.Version == "" || !s.Ready {
		t.Errorf("status %+v, database %+v", s, s.Database)
	}
}

// problem answers the problem of an error that must be one.
func problem(t *testing.T, err error) *client.Problem {
	t.Helper()
	var p *client.Problem
	if !errors.As(err, &p) {
		t.Fatalf("not a problem: %v", err)
	}
	return p
}

// TestWithoutTheDatabase: once the database was reached, a box starts, acks,
// answers for what it acked, and stops without it, and makes up for it all when
// it is back.
func TestWithoutTheDatabase(t *testing.T) {
	p, uri := mongod(t)
	b := newBox(t, uri)
	b.start()
	b.sample()
	b.publish(0, 10)
	b.until("the readings are stored", func() bool { return b.ledger().Pending == 0 && b.values() == 10 })
	b.until("everything is copied", func() bool { return b.status().Database.Behind == 0 })
	b.stop()

	p.Refuse(true)
	b.start()
	net := b.network() // Ann logs in from the copy
	b.publish(10, 30)
	if l := b.ledger(); l.Received != 45 || l.Pending != 30 || l.Stored != 10 || l.Rejected != 5 {
		t.Errorf("ledger without the database: %+v", l)
	}
	s := b.status()
	if !s.Ready || s.Database.Reachable || s.Database.Error == "" || !strings.Contains(strings.Join(s.Warnings, "\n"), "MongoDB is away") {
		t.Errorf("status without the database: %+v, %+v", s, s.Database)
	}
	if resp, err := http.Get("http://" + b.addrs.HTTP + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("readyz without the database: %v, %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
	_, err := net.Readings(t.Context(), client.ReadingQuery{DeviceIDs: []string{"d1"}})
	if pr := problem(t, err); pr.Status != 503 || pr.RetryAfter == 0 {
		t.Errorf("readings without the database: %v", err)
	}
	entries, err := b.cl.Audit(t.Context(), client.AuditQuery{Page: client.Page{Limit: 1000}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = net.CreateOrganization(t.Context(), client.NewOrganization{ID: "new", Name: "New"})
	if pr := problem(t, err); pr.Status != 503 || pr.RetryAfter == 0 || !strings.Contains(pr.Detail, "MongoDB is away") {
		t.Errorf("a change without the database: %v", err)
	}
	name := "Heat"
	if _, err = net.SetPort(t.Context(), "d1", 1, client.PortChange{Name: &name}); problem(t, err).Status != 503 {
		t.Errorf("a change of a port without the database: %v", err)
	}
	if after, err := b.cl.Audit(t.Context(), client.AuditQuery{Page: client.Page{Limit: 1000}}); err != nil || len(after.Items) != len(entries.Items) {
		t.Errorf("the trail has %d entries after nothing was made, and had %d (%v)", len(after.Items), len(entries.Items), err)
	}
	b.stop() // without it
	b.start()
	if l := b.ledger(); l.Received != 45 || l.Pending != 30 {
		t.Errorf("ledger after a restart without the database: %+v", l)
	}

	p.Refuse(false)
	b.until("the backlog is drained", func() bool { return b.ledger().Pending == 0 })
	if l := b.ledger(); l.Stored != 30 || l.Rejected != 15 || l.Duplicate != 0 {
		t.Errorf("ledger once it is back: %+v", l)
	}
	b.until("the status says so", func() bool {
		s := b.status()
		return s.Database.Reachable && s.Database.Behind == 0 && s.Database.Error == "" && len(s.Warnings) == 0
	})
	if n := b.values(); n != 30 {
		t.Errorf("%d readings", n)
	}
	if _, err := b.cl.SetPort(t.Context(), "d1", 1, client.PortChange{Name: &name}); err != nil {
		t.Errorf("a change once it is back: %v", err)
	}
}

// TestHangingDatabase: a database that takes connections and never answers does
// not keep a box from acking, answering and stopping.
func TestHangingDatabase(t *testing.T) {
	p, uri := mongod(t)
	b := newBox(t, uri)
	b.start()
	b.sample()
	p.Hang(true)
	b.publish(0, 10)
	if l := b.ledger(); l.Received != 15 {
		t.Errorf("ledger %+v", l)
	}
	_, err := b.cl.Readings(t.Context(), client.ReadingQuery{DeviceIDs: []string{"d1"}})
	if pr := problem(t, err); pr.Status != 503 {
		t.Errorf("readings of a database that hangs: %v", err)
	}
	b.stop()
	p.Hang(false)
	b.start()
	b.until("the readings are stored", func() bool { return b.ledger().Pending == 0 && b.values() == 10 })
}

// TestChangesOfOthers: what another instance changes in the database takes
// effect here, and ends the connections of a device that it locks out.
func TestChangesOfOthers(t *testing.T) {
	_, uri := mongod(t)
	b := newBox(t, uri)
	b.start()
	b.sample()

	other := newBox(t, uri)
	err := other.tryStart()
	if err == nil || !strings.Contains(err.Error(), "device.key") {
		t.Fatalf("a second folder with a key of its own started: %v", err)
	}
	key, err := os.ReadFile(b.path("secrets/device.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other.path("secrets/device.key"), key, 0o600); err != nil {
		t.Fatal(err)
	}
	other.start()
	name := "Heat"
	if _, err := other.cl.SetPort(t.Context(), "d1", 9, client.PortChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	if _, err := other.cl.CreateOrganization(t.Context(), client.NewOrganization{ID: "theirs", Name: "Theirs"}); err != nil {
		t.Fatal(err)
	}
	b.until("the port is known", func() bool {
		_, err := b.cl.PostTelemetry(t.Context(), "d1", "S", "", []byte(`{"readings":[{"port":"Heat","value":1}]}`))
		l := b.ledger()
		return err == nil && l.Stored > 0
	})
	if _, err := b.cl.Organization(t.Context(), "theirs"); err != nil {
		t.Errorf("the organization: %v", err)
	}
	conn := b.connect("d1", "S")
	if _, err := other.cl.RetireDevice(t.Context(), "d1"); err != nil {
		t.Fatal(err)
	}
	b.ended(conn)
	b.until("the device is locked out", func() bool {
		_, err := b.cl.PostTelemetry(t.Context(), "d1", "S", "", []byte(`{"readings":[{"port":1,"value":1}]}`))
		return err != nil
	})
	if !strings.Contains(b.logged.String(), "took over changes of the catalogue") {
		t.Error("the log does not say so")
	}
}

// TestRefusedReadings: what the server refused after its verdict is in the
// status and the ledger, and doctor shows it without the database.
func TestRefusedReadings(t *testing.T) {
	p, uri := mongod(t)
	b := newBox(t, uri)
	b.start()
	b.sample()
	b.publish(0, 4)
	b.until("the readings are stored", func() bool { return b.ledger().Pending == 0 && b.values() == 4 })
	b.stop()
	j, err := embedded.OpenJournal(b.path(journalName), embedded.JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hour := time.Now().UnixMilli() / 3_600_000
	err = j.Finish(t.Context(), store.Outcome{
		Through: j.Applied(), Stored: store.HourCounts{hour: {1: -1}}, Duplicate: store.HourCounts{},
		Refused: []store.Refusal{{Hour: hour, UID: 1, At: store.Time(time.Now().UnixMilli()), Document: `{"rawValue":1}`, Reason: "Document failed validation"}},
	})
	if err := errors.Join(err, j.Close()); err != nil {
		t.Fatal(err)
	}

	p.Refuse(true)
	checks, err := Doctor(t.Context(), DoctorOptions{Dir: b.dir, Config: b.config()})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]Check{}
	for _, c := range checks {
		found[c.Name] = c
		if c.State == "failed" {
			t.Errorf("doctor: %+v", c)
		}
	}
	if c := found["refused"]; c.State != "warning" || !strings.Contains(c.Detail, "Document failed validation") || !strings.Contains(c.Detail, "rawValue") {
		t.Errorf("doctor: %+v", c)
	}
	if c := found["database"]; c.State != "warning" || !strings.Contains(c.Detail, "not reachable") {
		t.Errorf("doctor: %+v", c)
	}

	b.start()
	s := b.status()
	if s.Database.Refused != 1 || len(s.Database.LastRefused) != 1 || s.Database.LastRefused[0].Reason != "Document failed validation" {
		t.Errorf("status: %+v", s.Database)
	}
	if !strings.Contains(strings.Join(s.Warnings, "\n"), "refused 1 readings") {
		t.Errorf("warnings: %v", s.Warnings)
	}
	if l := b.ledger(); l.Stored != 3 || l.Rejected != 3 {
		t.Errorf("ledger: %+v", l)
	}
	hours, err := b.cl.LedgerHours(t.Context(), "d1", time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var rejected uint64
	for _, h := range hours.Items {
		rejected += h.Rejected
	}
	if rejected != 3 {
		t.Errorf("the hours have %d rejected", rejected)
	}
	p.Refuse(false)
}

// TestStandalone: a server without retryable writes works, and doctor advises
// another.
func TestStandalone(t *testing.T) {
	s := mongotest.Shared(t, mongotest.Standalone)
	b := newBox(t, s.URI(t, mongotest.Database(t)))
	b.start()
	b.sample()
	b.publish(0, 4)
	b.until("the readings are stored and all is copied", func() bool {
		return b.ledger().Pending == 0 && b.values() == 4 && b.status().Database.Behind == 0
	})
	if kind := b.status().Database.Kind; kind != "standalone" {
		t.Errorf("the status says %q", kind)
	}
	checks, err := Doctor(t.Context(), DoctorOptions{Dir: b.dir, Config: b.config()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if c.Name == "database" && (c.State != "warning" || !strings.Contains(c.Detail, "rs.initiate()")) {
			t.Errorf("doctor: %+v", c)
		}
	}
}

// TestRemoteDoctor: doctor finds the server and who writes there.
func TestRemoteDoctor(t *testing.T) {
	_, uri := mongod(t)
	b := newBox(t, uri)
	state := func() map[string]Check {
		t.Helper()
		checks, err := Doctor(t.Context(), DoctorOptions{Dir: b.dir, Config: b.config()})
		if err != nil {
			t.Fatal(err)
		}
		found := map[string]Check{}
		for _, c := range checks {
			found[c.Name] = c
		}
		return found
	}
	if c := state()["database"]; c.State != "ok" || !strings.Contains(c.Detail, "replica set") {
		t.Errorf("before the first start: %+v", c)
	}
	b.start()
	b.sample()
	b.publish(0, 2)
	b.until("the readings are stored", func() bool { return b.ledger().Pending == 0 })
	b.stop()
	found := state()
	for _, name := range []string{"database", "catalogue", "log", "readings", "state", "audit", "refused"} {
		if found[name].State != "ok" {
			t.Errorf("after a stop: %s %+v", name, found[name])
		}
	}
	b.uri = ""
	if c := state()["files"]; c.State != "failed" || !strings.Contains(c.Detail, "MONGO_URI") {
		t.Errorf("without MONGO_URI: %+v", c)
	}
}

// TestRemoteBackup: a backup has what the folder knows, says where the readings
// are, and begins a box that goes on.
func TestRemoteBackup(t *testing.T) {
	_, uri := mongod(t)
	b := newBox(t, uri)
	b.start()
	b.sample()
	b.publish(0, 10)
	b.until("the readings are stored", func() bool { return b.ledger().Pending == 0 && b.values() == 10 })
	var out bytes.Buffer
	if _, err := b.cl.Backup(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	b.stop()
	file := filepath.Join(t.TempDir(), "box.backup")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	copied := newBox(t, uri)
	m, err := Restore(t.Context(), file, copied.dir)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range m.Files {
		names[f.Name] = true
	}
	for _, name := range []string{"buffer.db", "state.db", "alerts.db", "commands.db", "catalog.db", "writer.db", "audit.log", "secrets/device.key"} {
		if !names[name] {
			t.Errorf("%s is not in the backup", name)
		}
	}
	if names["sessions.db"] {
		t.Error("logins are in the backup")
	}
	if !strings.Contains(m.Elsewhere, "MongoDB") {
		t.Errorf("the manifest does not say where the readings are: %q", m.Elsewhere)
	}
	copied.start()
	copied.until("what the backup had not applied is", func() bool { return copied.ledger().Pending == 0 })
	if l := copied.ledger(); l.Received != 15 || l.Rejected != 5 || l.Stored+l.Duplicate != 10 {
		t.Errorf("ledger of the copy: %+v", l)
	}
	copied.publish(10, 12)
	copied.until("it goes on", func() bool { return copied.ledger().Pending == 0 && copied.values() == 12 })
}

// TestRemoteInit: the first user is made in the database, once.
func TestRemoteInit(t *testing.T) {
	_, uri := mongod(t)
	b := newBox(t, uri)
	o := InitOptions{Dir: b.dir, Config: b.config(), AdminEmail: annEmail, AdminPassword: annPassword, Sample: true}
	r, err := Init(t.Context(), o)
	if err != nil || r.DeviceID != "d1" {
		t.Fatalf("init: %+v, %v", r, err)
	}
	if _, err := Init(t.Context(), o); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "users already") {
		t.Errorf("init again: %v", err)
	}
	b.start()
	b.network()
	if _, err := b.cl.Device(t.Context(), "d1"); err != nil {
		t.Errorf("the sample: %v", err)
	}
}
