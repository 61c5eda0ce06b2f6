package mongo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

func TestCapability(t *testing.T) {
	t.Parallel()
	member := hello{SetName: "rs0", Writable: true, SessionMinutes: 30}
	for _, tt := range []struct {
		name  string
		hello hello
		build buildInfo
		want  Capability
		kind  error
		text  string
	}{
		{
			"a primary", member,
			buildInfo{"6.0.5", []int32{6, 0, 5, 0}},
			Capability{Version: "6.0.5", Major: 6, Kind: KindReplicaSet, SessionTimeout: 30 * time.Minute},
			nil, "",
		},
		{
			"a standalone",
			hello{Writable: true, SessionMinutes: 30},
			buildInfo{"5.0.0", []int32{5, 0, 0, 0}},
			Capability{Version: "5.0.0", Major: 5, Kind: KindStandalone, SessionTimeout: 30 * time.Minute},
			nil, "",
		},
		{
			"a mongos",
			hello{Writable: true, Msg: "isdbgrid", SessionMinutes: 10},
			buildInfo{"8.1.2-rc0", []int32{8, 1, 2, -100}},
			Capability{Version: "8.1.2-rc0", Major: 8, Minor: 1, Kind: KindSharded, SessionTimeout: 10 * time.Minute},
			nil, "",
		},
		{
			"one that says its version in words alone", member,
			buildInfo{"7.3.1", nil},
			Capability{Version: "7.3.1", Major: 7, Minor: 3, Kind: KindReplicaSet, SessionTimeout: 30 * time.Minute},
			nil, "",
		},
		{"4.4", member, buildInfo{"4.4.29", []int32{4, 4, 29, 0}}, Capability{}, store.ErrInvalid, "time-series needs MongoDB 5.0; found 4.4. Unset MONGO_URI for the embedded store"},
		{"4.0", hello{Writable: true}, buildInfo{"4.0.3", nil}, Capability{}, store.ErrInvalid, "time-series needs MongoDB 5.0; found 4.0. Unset MONGO_URI for the embedded store"},
		{"no version", member, buildInfo{"?", nil}, Capability{}, store.ErrInvalid, "version"},
		{"a secondary", hello{SetName: "rs0"}, buildInfo{"6.0.5", nil}, Capability{}, store.ErrUnavailable, "not the primary of rs0; name all members"},
		{"nobody initiated it", hello{Uninitiated: true}, buildInfo{"6.0.5", nil}, Capability{}, store.ErrUnavailable, "rs.initiate()"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := capabilityOf(tt.hello, tt.build)
			if tt.kind == nil && (err != nil || got != tt.want) {
				t.Errorf("%+v, %v, want %+v", got, err, tt.want)
			}
			if tt.kind != nil && (!errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.text)) {
				t.Errorf("%v, want %v: %s", err, tt.kind, tt.text)
			}
		})
	}
	c := Capability{Major: 6, Minor: 3}
	for _, v := range [][2]int{{6, 3}, {6, 0}, {5, 9}} {
		if !c.AtLeast(v[0], v[1]) {
			t.Errorf("6.3 is not %v", v)
		}
	}
	for _, v := range [][2]int{{6, 4}, {7, 0}} {
		if c.AtLeast(v[0], v[1]) {
			t.Errorf("6.3 is %v", v)
		}
	}
	for k, want := range map[Kind]string{KindStandalone: "standalone", KindReplicaSet: "replica set", KindSharded: "sharded", 7: "Kind(7)"} {
		if k.String() != want {
			t.Errorf("%v, want %s", k, want)
		}
	}
}

// TestCapabilityTooOld: the driver refuses by itself what is too old for it, and
// the server's own word is taken for the rest. What people read is the same.
func TestCapabilityTooOld(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		wire  int32
		build bson.D
		want  string
	}{
		{"that the driver speaks with", 9, buildOf("4.4.29", 4, 4, 29, 0), "4.4"},
		{"that it does not", 8, nil, "4.2"},
		{"of long ago", 0, nil, "2.4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := startFake(t, helloOf(tt.wire), map[string]bson.D{"buildInfo": tt.build})
			d := attach(t, f.uri()+"&serverSelectionTimeoutMS=5000&connectTimeoutMS=5000") // it answers, on a loaded machine later
			for range 2 {
				err := d.Ready(t.Context())
				if want := "time-series needs MongoDB 5.0; found " + tt.want + ". Unset MONGO_URI for the embedded store"; err == nil || err.Error() != want {
					t.Errorf("told %v, want %s", err, want)
				}
				if !errors.Is(err, store.ErrInvalid) || errors.Is(err, store.ErrUnavailable) {
					t.Errorf("%v: it will not pass", err)
				}
			}
			if n := len(f.commands("create")) + len(f.commands("insert")) + len(f.commands("update")); n != 0 {
				t.Errorf("%d commands changed something", n)
			}
		})
	}
}

// TestCapabilityOfServers asks real ones.
func TestCapabilityOfServers(t *testing.T) {
	t.Parallel()
	for kind, want := range map[mongotest.Kind]Kind{mongotest.ReplicaSet: KindReplicaSet, mongotest.Standalone: KindStandalone} {
		server := mongotest.Shared(t, kind)
		d := attach(t, server.URI(t, mongotest.Database(t)))
		if c, known := d.capability(); known {
			t.Errorf("known before it was asked: %+v", c)
		}
		noError(t, d.Ready(t.Context()))
		c, known := d.capability()
		if !known || c.Kind != want || !c.AtLeast(5, 0) || c.SessionTimeout != 30*time.Minute {
			t.Errorf("%v: %+v, %v", kind, c, known)
		}
		before := time.Now().Add(-time.Minute)
		if now, err := d.serverTime(t.Context()); err != nil || now.Before(before) || now.After(before.Add(2*time.Minute)) {
			t.Errorf("the server's clock: %v, %v", now, err)
		}
	}
}
