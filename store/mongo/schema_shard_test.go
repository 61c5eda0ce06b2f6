package mongo

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

const shardCollection = `{"shardCollection":"plant.values","key":KEY,"timeseries":{"timeField":"ts","metaField":"metadata","granularity":"seconds"}}`

var (
	keyWithTime    = strings.Replace(shardCollection, "KEY", `{"metadata.deviceId":1,"metadata.portNumber":1,"ts":1}`, 1)
	keyWithoutTime = strings.Replace(shardCollection, "KEY", `{"metadata.deviceId":1,"metadata.portNumber":1}`, 1)
)

func textOf(t testing.TB, doc any) string {
	t.Helper()
	b, err := bson.MarshalExtJSON(doc, false, false)
	noError(t, err)
	return string(b)
}

func TestShardCommands(t *testing.T) {
	for _, tt := range []struct {
		major, minor int
		want         []string
	}{
		{5, 0, nil},
		{5, 1, []string{`{"enableSharding":"plant"}`, keyWithTime}},
		{5, 3, []string{`{"enableSharding":"plant"}`, keyWithTime}},
		{6, 0, []string{keyWithTime}},
		{7, 3, []string{keyWithTime}},
		{8, 0, []string{keyWithoutTime}},
		{9, 1, []string{keyWithoutTime}},
	} {
		var got []string
		for _, c := range shardCommands("plant", Capability{Major: tt.major, Minor: tt.minor, Kind: KindSharded}) {
			got = append(got, textOf(t, c))
		}
		if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
			t.Errorf("%d.%d: %s, want %s", tt.major, tt.minor, got, tt.want)
		}
	}
}

// TestShardValues looks at what is sent to a mongos, and at what becomes of its
// answers: readings in one shard are no reason not to start.
func TestShardValues(t *testing.T) {
	refused := func(code int32, text string) bson.D {
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "errmsg", Value: text}}
	}
	for _, tt := range []struct {
		name         string
		major, minor int
		answers      map[string]bson.D
		sent         []string // commands to the database admin
		logged       string
		err          error
	}{
		{"6.0", 6, 0, nil, []string{keyWithTime}, "", nil},
		{"5.1", 5, 1, nil, []string{`{"enableSharding":"plant"}`, keyWithTime}, "", nil},
		{"5.0", 5, 0, nil, nil, "MongoDB shards time-series from 5.1 on", nil},
		{
			"by another key", 6, 0,
			map[string]bson.D{"shardCollection": refused(23, "already sharded")},
			[]string{keyWithTime},
			"sharded by another key, which stays", nil,
		},
		{
			"not ours to do", 5, 3,
			map[string]bson.D{"enableSharding": refused(13, "not authorized")},
			[]string{`{"enableSharding":"plant"}`},
			`an administrator runs this command on the database admin" command="{\"enableSharding\":\"plant\"}"`, nil,
		},
		{
			"not possible", 7, 0,
			map[string]bson.D{"shardCollection": refused(72, "not on this cluster")},
			[]string{keyWithTime},
			"not on this cluster", nil,
		},
		{
			"not now", 7, 0,
			map[string]bson.D{"shardCollection": refused(46, "lock busy")},
			[]string{keyWithTime},
			"", store.ErrUnavailable,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := startFake(t, helloOf(17, bson.E{Key: "msg", Value: "isdbgrid"}), tt.answers)
			var log bytes.Buffer
			d, err := Open(Options{URI: f.uri(), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))})
			noError(t, err)
			h, err := d.hello(t.Context())
			noError(t, err)
			if c, err := capabilityOf(h, buildInfo{"6.0.5", nil}); err != nil || c.Kind != KindSharded {
				t.Errorf("a mongos is %v, %v", c.Kind, err)
			}
			err = d.shardValues(t.Context(), Capability{Major: tt.major, Minor: tt.minor, Kind: KindSharded})
			if !errors.Is(err, tt.err) {
				t.Errorf("told %v, want %v", err, tt.err)
			}
			noError(t, d.Close(t.Context())) // nobody writes to the log any more
			if !strings.Contains(log.String(), tt.logged) || tt.logged == "" && strings.Contains(log.String(), "shard") {
				t.Errorf("logged %s", log.String())
			}
			var sent []string
			for _, c := range append(f.commands("enableSharding"), f.commands("shardCollection")...) {
				if db := c.Lookup("$db").StringValue(); db != "admin" {
					t.Errorf("sent to the database %s", db)
				}
				text := textOf(t, c)
				for _, extra := range []string{`,"lsid"`, `,"$clusterTime"`, `,"$db"`, `,"maxTimeMS"`, `,"writeConcern"`, `,"$readPreference"`} {
					if at := strings.Index(text, extra); at >= 0 {
						text = text[:at] + "}"
					}
				}
				sent = append(sent, text)
			}
			if strings.Join(sent, "\n") != strings.Join(tt.sent, "\n") {
				t.Errorf("sent %s, want %s", sent, tt.sent)
			}
		})
	}
}
