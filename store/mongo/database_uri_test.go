package mongo

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tidegate/store"
)

func TestParseURI(t *testing.T) {
	for _, tt := range []struct {
		uri  string
		want address // without its text
	}{
		{"mongodb://db.example", address{hosts: []string{"db.example"}, database: "tidegate"}},
		{"mongodb://db.example/", address{hosts: []string{"db.example"}, database: "tidegate"}},
		{"mongodb://db.example/?replicaSet=rs0", address{hosts: []string{"db.example"}, database: "tidegate"}},
		{"mongodb://db.example:27018/plant", address{hosts: []string{"db.example:27018"}, database: "plant"}},
		{"mongodb://a:1,b:2,[::1]:3/plant?replicaSet=rs0", address{hosts: []string{"a:1", "b:2", "[::1]:3"}, database: "plant"}},
		{"mongodb://%2Frun%2Fmongodb.sock/plant", address{hosts: []string{"/run/mongodb.sock"}, database: "plant"}},
		{"mongodb://ann:p%40ss%3A%2F%3F%23%25@db.example/plant", address{hosts: []string{"db.example"}, database: "plant", user: "ann@plant "}},
		{"mongodb://ann:secret@db.example/plant?authSource=admin", address{hosts: []string{"db.example"}, database: "plant", user: "ann@admin "}},
		{"mongodb://ann@db.example/plant?authMechanism=MONGODB-X509&tls=true", address{hosts: []string{"db.example"}, database: "plant", user: "ann@$external MONGODB-X509"}},
		{"mongodb://db.example/caf%C3%A9", address{hosts: []string{"db.example"}, database: "café"}},
		{
			"mongodb://db.example/plant?w=0&journal=false&readPreference=secondary&readConcernLevel=local&retryWrites=false&retryReads=false&timeoutMS=5;wtimeoutMS=1",
			address{
				hosts: []string{"db.example"}, database: "plant",
				decided: []string{"w", "journal", "readpreference", "readconcernlevel", "retrywrites", "retryreads", "timeoutms", "wtimeoutms"},
			},
		},
		{
			"mongodb://db.example/plant?readPreference=nearest&readPreferenceTags=dc:ny&maxStalenessSeconds=120",
			address{hosts: []string{"db.example"}, database: "plant", decided: []string{"readpreference", "readpreferencetags", "maxstalenessseconds"}},
		},
		{"mongodb://db.example/plant?replcaSet=rs0&appName=x", address{hosts: []string{"db.example"}, database: "plant", unknown: []string{"replcaset"}}},
		// No resolver is asked: these names do not exist.
		{"mongodb+srv://cluster0.nowhere.invalid", address{srv: true, hosts: []string{"cluster0.nowhere.invalid"}, database: "tidegate"}},
		{
			"mongodb+srv://ann:secret%21@cluster0.nowhere.invalid/plant?w=majority&srvMaxHosts=2&srvServiceName=db&tls=true",
			address{srv: true, hosts: []string{"cluster0.nowhere.invalid"}, database: "plant", user: "ann@plant ", decided: []string{"w"}},
		},
	} {
		got, err := parseURI(tt.uri)
		if err != nil {
			t.Errorf("%s: %v", tt.uri, err)
			continue
		}
		tt.want.text = tt.uri
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", tt.uri, got, tt.want)
		}
	}
}

// TestBadURI: what is wrong is said, with an example, and no password. The
// password of all of these begins with hunter.
func TestBadURI(t *testing.T) {
	const escape = "must be percent-encoded: @ is %40"
	absent := filepath.Join(t.TempDir(), "absent.pem")
	for uri, want := range map[string]string{
		"":                                 "is empty",
		"db.example:27017":                 "does not begin with mongodb:// or mongodb+srv://",
		"http://ann:hunter2@db.example":    "does not begin with",
		"MONGODB://ann:hunter2@db.example": "does not begin with",
		"mongodb://ann:hunt@er/word@db.example/plant": escape,
		"mongodb://ann:hunt@er?word@db.example/plant": escape,
		"mongodb:/ann:hunter2@db.example":             "does not begin with",
		" mongodb://ann:hunter2@db.example":           "does not begin with",
		"mongodb://":                                  "host",
		"mongodb:///plant":                            "host",
		"mongodb://:27017/plant":                      "host",
		"mongodb://db.example:port/plant":             "port",
		"mongodb://db.example:70000/plant":            "port",
		"mongodb://db.example?replicaSet=rs":          "must have a / before the query ?",
		// Passwords that are not escaped, where parsers cut them.
		"mongodb://ann:hunter@2@db.example/plant":    escape,
		"mongodb://ann:hunter:2@db.example/plant":    escape,
		"mongodb://ann:hunter/2@db.example/plant":    escape,
		"mongodb://ann:hunter?2@db.example/plant":    escape,
		"mongodb://ann:hunter#2@db.example/plant":    escape,
		"mongodb://ann:hunter%2@db.example/plant":    escape,
		"mongodb://ann:hunter%zz@db.example/plant":   escape,
		"mongodb+srv://ann:hunter@2@db.example/":     escape,
		"mongodb://ann:/hunter2@db.example/plant":    escape,
		"mongodb://ann:hunter/2@3@db.example/pl?w=1": escape,
		"mongodb://:hunter2@db.example/plant":        "username",
		// Options.
		"mongodb://ann:hunter2@db.example/plant?replicaSet":                                   "replicaSet",
		"mongodb://ann:hunter2@db.example/plant?tls=perhaps":                                  "tls",
		"mongodb://ann:hunter2@db.example/plant?connectTimeoutMS=soon":                        "connectTimeoutMS",
		"mongodb://ann:hunter2@a,b/plant?directConnection=true":                               "direct connection",
		"mongodb://ann:hunter2@a,b/plant?loadBalanced=true":                                   "load",
		"mongodb://ann:hunter2@db.example/plant?authMechanism=none":                           "auth mechanism",
		"mongodb://ann:hunter2@db.example/plant?w=0&journal=true":                             "w=0",
		"mongodb://ann:hunter2@db.example/plant?srvMaxHosts=3":                                "srvMaxHosts on non-SRV URI",
		"mongodb://db.example/plant?tls=true&tlsCAFile=" + absent:                             absent,
		"mongodb://db.example/plant?tls=true&tlsCertificateKeyFile=" + absent:                 absent,
		"mongodb://ann@db.example/?authMechanism=MONGODB-AWS&authMechanismProperties=hunter2": "authMechanism property",
		"mongodb://ann@db.example/?authMechanismProperties=hunter%202:x,hunter%203":           "authMechanism property",
		"mongodb+srv://ann:hunter2@a.example,b.example/plant":                                 "one host name and no port",
		"mongodb+srv://ann:hunter2@db.example:27017/plant":                                    "one host name and no port",
		"mongodb+srv://ann:hunter2@/plant":                                                    "one host name and no port",
		"mongodb+srv://ann:hunter2@db.example/plant?directConnection=true":                    "leave directConnection out",
		"mongodb+srv://ann:hunter2@db.example/plant?connect=direct":                           "leave directConnection out",
		"mongodb+srv://ann:hunter2@db.example/plant?tls=perhaps":                              "tls",
		// Database names.
		"mongodb://ann:hunter2@db.example/admin":                         "belongs to the server",
		"mongodb://ann:hunter2@db.example/local":                         "belongs to the server",
		"mongodb://ann:hunter2@db.example/config?w=1":                    "belongs to the server",
		"mongodb://ann:hunter2@db.example/my%20plant":                    `database "my plant": at most 63 bytes`,
		"mongodb://ann:hunter2@db.example/a.b":                           `database "a.b": at most 63 bytes`,
		"mongodb://ann:hunter2@db.example/a/b":                           `database "a/b": at most 63 bytes`,
		"mongodb://ann:hunter2@db.example/$plant":                        "at most 63 bytes",
		"mongodb://ann:hunter2@db.example/plant\n":                       "at most 63 bytes",
		"mongodb://ann:hunter2@db.example/" + strings.Repeat("x", 64):    "at most 63 bytes",
		"mongodb://ann:hunter2@db.example/%zz":                           "%zz",
		"mongodb+srv://ann:hunter2@db.example/a%22b?srvServiceName=mine": "at most 63 bytes",
	} {
		_, err := Open(Options{URI: uri, Logger: mute()})
		var se *store.Error
		if !errors.Is(err, store.ErrInvalid) || !errors.As(err, &se) || se.Noun != "MONGO_URI" {
			t.Errorf("%q: %v is not an error of MONGO_URI", uri, err)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v does not say %q", uri, err, want)
		}
		if strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q: %v shows the password", uri, err)
		}
		if !strings.Contains(err.Error(), uriExample) {
			t.Errorf("%q: %v shows no way out", uri, err)
		}
	}
}

// TestUnescapedPassword puts every byte into a password as it is: the URI is
// taken, or refused without a piece of it.
func TestUnescapedPassword(t *testing.T) {
	for b := range 256 {
		for _, scheme := range []string{"mongodb", "mongodb+srv"} {
			uri := scheme + "://ann:hunter" + string([]byte{byte(b)}) + "batman@db.example/plant?appName=x"
			if _, err := parseURI(uri); err != nil && (strings.Contains(err.Error(), "hunter") || strings.Contains(err.Error(), "batman")) {
				t.Errorf("%q: %v", uri, err)
			}
			if s := withoutCredentials("dial " + uri); b > ' ' && b != '"' && b != '/' && (strings.Contains(s, "hunter") || strings.Contains(s, "batman")) {
				t.Errorf("%q is shown as %s", uri, s)
			}
		}
	}
}

// TestURIOptions: what exactly-once rests on is ours to decide, and the rest the
// operator's.
func TestURIOptions(t *testing.T) {
	var log bytes.Buffer
	d, err := Open(Options{
		URI: "mongodb://127.0.0.1:1/plant?w=0&readPreference=secondary&readConcernLevel=available&retryWrites=false&timeoutMS=1" +
			"&appName=theirs&maxPoolSize=3&serverSelectionTimeoutMS=77&replcaSet=rs0",
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	noError(t, err)
	defer func() { noError(t, d.Close(t.Context())) }()
	o, err := d.clientOptions()
	noError(t, err)
	if o.WriteConcern.W != "majority" || o.WriteConcern.Journal == nil || !*o.WriteConcern.Journal || o.ReadPreference.Mode().String() != "primary" ||
		o.ReadConcern != nil || !*o.RetryWrites || !*o.RetryReads || o.Timeout != nil {
		t.Errorf("options %+v", o)
	}
	if *o.AppName != "theirs" || *o.MaxPoolSize != 3 || o.ServerSelectionTimeout.Milliseconds() != 77 {
		t.Errorf("the operator's: %s, %d, %v", *o.AppName, *o.MaxPoolSize, *o.ServerSelectionTimeout)
	}
	for _, want := range []string{
		`is not used: exactly-once rests on ours" option=w`, "option=readpreference", "option=readconcernlevel", "option=retrywrites", "option=timeoutms",
		`is not known, and has no effect" option=replcaset`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no warning of %s in %s", want, log.String())
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 6 {
		t.Errorf("%d warnings: %s", n, log.String())
	}
}

func TestWithoutCredentials(t *testing.T) {
	for in, want := range map[string]string{
		"dial mongodb://ann:hunter2@db/plant failed":                 "dial mongodb://***@db/plant failed",
		"mongodb+srv://ann:hunter2@a and mongodb://b:hunter3@c":      "mongodb+srv://***@a and mongodb://***@c",
		"mongodb://db.example/plant and ann@example.org":             "mongodb://db.example/plant and ann@example.org",
		`parse "mongodb://ann:hun@ter2@db": mail to root@db.example`: `parse "mongodb://***@db": mail to root@db.example`,
	} {
		if got := withoutCredentials(in); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
