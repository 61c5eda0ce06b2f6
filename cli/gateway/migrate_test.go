package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo"
	"tidegate/store/mongo/mongotest"
	"tidegate/store/transfer"
)

// plant fills a box: devices with readings over four months, late and repeated
// ones, several calibrations, dead letters, a port and devices that are gone.
func (b *box) plant(rnd *rand.Rand) {
	b.t.Helper()
	b.sample()
	ctx := b.t.Context()
	must := func(what string, err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatalf("%s: %v", what, err)
		}
	}
	var csv strings.Builder
	start := time.Date(2025, 3, 30, 12, 0, 0, 0, time.UTC)
	csv.WriteString("ts,device,port,value\n")
	for i := range 4000 {
		at := start.Add(time.Duration(i) * 47 * time.Minute)
		if rnd.IntN(4) == 0 {
			at = at.Add(-time.Duration(rnd.IntN(60*24)) * time.Hour)
		}
		row := fmt.Sprintf("%s,m%d,%d,%d.%d\n", at.Format(store.TimeFormat), rnd.IntN(4), 1+rnd.IntN(3), rnd.IntN(900), rnd.IntN(100))
		csv.WriteString(row)
		if rnd.IntN(20) == 0 {
			csv.WriteString(row)
		}
	}
	half := strings.LastIndexByte(csv.String()[:csv.Len()/2], '\n') + 1
	_, err := b.cl.ImportReadings(ctx, strings.NewReader(csv.String()[:half]), client.ImportOptions{OrgID: "acme", Create: true})
	must("import", err)
	scaling, offset := 2.0, -0.25
	_, err = b.cl.SetPort(ctx, "m1", 1, client.PortChange{Scaling: &scaling, Offset: &offset})
	must("calibrate", err)
	early := start.AddDate(0, 0, 20)
	_, err = b.cl.AddCalibration(ctx, "m1", 1, client.NewCalibration{Scaling: 3, EffectiveFrom: early})
	must("calibrate from earlier on", err)
	rest := "ts,device,port,value\n" + csv.String()[half:] + "2025-06-01T00:00:00Z,m1,9,4\n2025-06-01T00:00:00Z,nobody,1,4\n"
	_, err = b.cl.ImportReadings(ctx, strings.NewReader(rest), client.ImportOptions{})
	must("import", err)
	b.publish(0, 6)
	must("delete a port", b.cl.DeletePort(ctx, "m2", 2))
	must("delete a device", b.cl.DeleteDevice(ctx, "m3"))
	_, err = b.cl.CreateDevice(ctx, client.NewDevice{ID: "never", OrgID: "acme"})
	must("a device without readings", err)
	must("delete it", b.cl.DeleteDevice(ctx, "never"))
	b.until("all is stored", func() bool { return b.ledger().Pending == 0 })
}

// view is what a box answers: the same from either store.
func (b *box) view() map[string]string {
	b.t.Helper()
	ctx := b.t.Context()
	v := map[string]string{}
	say := func(what string, doc any, err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatalf("%s: %v", what, err)
		}
		text, err := json.MarshalIndent(doc, "", " ")
		if err != nil {
			b.t.Fatal(err)
		}
		v[what] = string(text)
	}
	var csv bytes.Buffer
	_, err := b.cl.ExportReadings(ctx, client.ReadingQuery{From: time.Unix(0, 0), To: time.Now().Add(time.Hour)}, &csv)
	say("export", csv.String(), err)
	l := b.ledger()
	l.Shed = 0
	say("ledger", l, nil)
	hours, err := b.cl.LedgerHours(ctx, "", time.Now().AddDate(-1, 0, 0), time.Now().Add(time.Hour))
	say("ledger by hour", hours, err)
	users, err := b.cl.Users(ctx, client.Page{Limit: 100})
	say("users", users, err)
	devices, err := b.cl.Devices(ctx, client.DeviceQuery{Page: client.Page{Limit: 100}})
	for i := range devices.Items {
		d := &devices.Items[i]
		ports, err := b.cl.Ports(ctx, d.ID)
		say("ports of "+d.ID, ports, err)
	}
	say("devices", devices, err)
	letters, err := b.cl.DeadLetters(ctx, client.DeadLetterQuery{Page: client.Page{Limit: 100}})
	say("dead letters", letters, err)
	return v
}

// sameView compares two views; what differs is named.
func sameView(t *testing.T, when string, got, want map[string]string) {
	t.Helper()
	for what := range want {
		if got[what] != want[what] {
			t.Errorf("%s, %s: %d bytes, before %d\n%.2000s\nwas\n%.2000s", when, what, len(got[what]), len(want[what]), got[what], want[what])
		}
	}
}

// kept is what the two stores have of a folder, deleted devices included.
type kept struct {
	catalog           store.CatalogChange
	rows              map[store.Series][]store.Sample
	stored, duplicate store.HourCounts
}

// look opens a folder's own readings, or those in the database.
func (b *box) look() kept {
	b.t.Helper()
	ctx := b.t.Context()
	k := kept{rows: map[store.Series][]store.Sample{}, stored: store.HourCounts{}, duplicate: store.HourCounts{}}
	c, err := embedded.OpenCatalog(b.path("catalog.db"), embedded.CatalogOptions{Copy: true})
	if err != nil {
		b.t.Fatal(err)
	}
	k.catalog, err = c.Dump(ctx)
	if err = errors.Join(err, c.Close()); err != nil {
		b.t.Fatal(err)
	}
	var s transfer.Source
	var end func() error
	if b.uri == "" {
		e, err := embedded.OpenSeries(b.dir, embedded.SeriesOptions{})
		if err != nil {
			b.t.Fatal(err)
		}
		s, end = e, e.Close
	} else {
		s, end = b.lookInto(peopleOf(k.catalog))
	}
	all, err := s.ListSeries(ctx)
	for _, e := range all {
		var rows []store.Row
		rows, err = s.Scan(ctx, store.Scan{Series: []store.Series{e.Series}, From: math.MinInt64, To: math.MaxInt64, Limit: 1 << 30})
		if err != nil {
			break
		}
		for _, r := range rows {
			k.rows[e.Series] = append(k.rows[e.Series], r.Sample)
		}
	}
	if err == nil {
		err = s.Hours(ctx, math.MinInt64, math.MaxInt64, k.stored, k.duplicate)
	}
	if err = errors.Join(err, end()); err != nil {
		b.t.Fatal(err)
	}
	return k
}

func (b *box) lookInto(who people) (transfer.Source, func() error) {
	b.t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	db, err := mongo.Open(mongo.Options{URI: b.uri, Logger: quiet})
	if err != nil {
		b.t.Fatal(err)
	}
	j, err := embedded.OpenJournal(b.path(journalName), embedded.JournalOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := mongo.OpenSeries(db, j, mongo.SeriesOptions{Names: who.names, Number: who.number, Logger: quiet, Now: time.Now})
	if err != nil {
		b.t.Fatal(err)
	}
	return s, func() error { return errors.Join(s.Close(), j.Close(), db.Close(b.t.Context())) }
}

func sameKept(t *testing.T, when string, got, want kept) {
	t.Helper()
	if !maps.EqualFunc(got.rows, want.rows, slices.Equal) {
		t.Errorf("%s: other readings, %d series of %d", when, len(got.rows), len(want.rows))
	}
	if !reflect.DeepEqual(got.stored, want.stored) || !reflect.DeepEqual(got.duplicate, want.duplicate) {
		t.Errorf("%s: another ledger", when)
	}
	if !reflect.DeepEqual(got.catalog, want.catalog) {
		t.Errorf("%s: another catalogue:\n%+v\n%+v", when, got.catalog, want.catalog)
	}
}

var errCutHere = errors.New("cut here")

// migrate moves the box, ending it behind every step once; between is called
// with each.
func (b *box) migrate(to, uri string, between func(step string)) MigrateResult {
	b.t.Helper()
	c := b.config()
	c.MongoURI = uri
	seen := map[string]bool{}
	for range 100 {
		last := ""
		r, err := Migrate(b.t.Context(), MigrateOptions{Dir: b.dir, Config: c, To: to, Actor: "uid:7", cut: func(step string) error {
			if last = step; seen[step] {
				return nil
			}
			seen[step] = true
			return errCutHere
		}})
		if err == nil {
			if len(seen) < 10 {
				b.t.Errorf("only %d steps: %v", len(seen), seen)
			}
			return r
		}
		if !errors.Is(err, errCutHere) {
			b.t.Fatalf("behind %q: %v", last, err)
		}
		between(last)
	}
	b.t.Fatal("it does not end")
	return MigrateResult{}
}

// TestMigrate moves a folder there and back, cut off behind every step. Until
// the switch the folder is served as before; in the middle of the switch it is
// not served at all; afterwards it answers the same from the other store.
func TestMigrate(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			uri := mongotest.Shared(t, kind).URI(t, mongotest.Database(t))
			b := newBox(t, "")
			b.start()
			b.plant(rand.New(rand.NewPCG(seed, 9)))
			b.stop()
			b.people()
			for i, to := range []string{StoreMongo, StoreEmbedded} {
				want, was := wholeWay(t, b, to, uri)
				sameKept(t, "in "+to, b.look(), was)
				b.start()
				sameView(t, "in "+to, b.view(), want)
				_ = b.connect(plcKey, plcSecret).Close() // the key still lets in
				goOn(b, 6*(i+1))
				b.stop()
			}
			checkTrail(t, b)
		})
	}
}

// wholeWay migrates b, and leaves it set up for the other store. It answers what
// the source was in the end.
func wholeWay(t *testing.T, b *box, to, uri string) (want map[string]string, was kept) {
	t.Helper()
	served := 0
	r := b.migrate(to, uri, func(step string) {
		n, err := readNote(b.dir)
		if err != nil {
			t.Fatal(err)
		}
		own := b.uri
		if n != nil && n.Phase == phaseSwitch {
			for _, b.uri = range []string{"", uri} {
				if err := b.tryStart(); err == nil || !strings.Contains(err.Error(), "tidegate migrate --to "+to) {
					t.Errorf("behind %q, with MONGO_URI %q: started, or %v", step, b.uri, err)
				}
			}
		} else if step == "noted" || step == "copied" {
			b.start() // and goes on, so that what was copied is not all
			served++
			ts := time.Now().Add(-time.Hour).UnixMilli()
			if _, err := b.cl.PostTelemetry(t.Context(), "d1", "S", "", fmt.Appendf(nil, `{"ts":%d,"readings":[{"port":2,"value":1}]}`, ts)); err != nil {
				t.Error(err)
			}
			b.until("it is stored", func() bool { return b.ledger().Pending == 0 })
			b.stop()
		} else if step == "verified" {
			b.start()
			want = b.view()
			b.stop()
			was = b.look()
		}
		b.uri = own
	})
	if served != 2 || r.Readings < 4000 || r.Days < 900 || r.Ports < 13 {
		t.Errorf("served %d times, result %+v", served, r)
	}
	if _, err := os.Stat(r.Kept); err != nil {
		t.Error(err)
	}
	for _, name := range []string{noteName, stageName} {
		if _, err := os.Stat(b.path(name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	if b.uri = ""; to == StoreMongo {
		b.uri = uri
	}
	return want, was
}

// goOn sends what was sent before, and something new.
func goOn(b *box, from int) {
	b.t.Helper()
	before := b.ledger()
	b.publish(0, 6)
	b.publish(from, from+6)
	b.until("all is stored", func() bool { return b.ledger().Pending == 0 })
	after := b.ledger()
	if after.Stored != before.Stored+6 || after.Duplicate != before.Duplicate+6 || after.Rejected != before.Rejected+6 {
		b.t.Errorf("the ledger went from %+v to %+v", before, after)
	}
}

// checkTrail: each migration has its one entry, with a name on it.
func checkTrail(t *testing.T, b *box) {
	t.Helper()
	n, err := VerifyAudit(t.Context(), b.dir)
	if err != nil {
		t.Fatal(err)
	}
	a, err := embedded.OpenAudit(b.path("audit.log"), embedded.AuditOptions{})
	if err != nil {
		t.Fatal(err)
	}
	entries, err := a.ListAudit(t.Context(), 0, int(n))
	if err = errors.Join(err, a.Close()); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		if e.Action == "store.migrate" {
			found = append(found, e.Actor+" "+e.ID)
		}
	}
	if want := []string{"uid:7 mongo", "uid:7 embedded"}; !slices.Equal(found, want) {
		t.Errorf("entries %v, want %v", found, want)
	}
}
