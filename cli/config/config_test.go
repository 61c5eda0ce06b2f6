package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestCommentedDefaultIsTheDefault(t *testing.T) {
	b, err := os.ReadFile("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c Config // zero: every key must come from the file
	table := newTable(&c)
	if err := table.readYAML("config.yaml", b); err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(c, want) {
		t.Errorf("config.yaml says\n%+v\nthe code says\n%+v", c, want)
	}
	section := ""
	var inFile []string
	for line := range strings.Lines(string(b)) {
		name, _, ok := strings.Cut(line, ":")
		switch {
		case !ok || strings.HasPrefix(strings.TrimSpace(line), "#"):
		case strings.HasPrefix(line, " "):
			inFile = append(inFile, section+"."+strings.TrimSpace(name))
		default:
			section = name
		}
	}
	if want := table.paths(); !reflect.DeepEqual(inFile, want) {
		t.Errorf("config.yaml lists %v\nthe code %v", inFile, want)
	}
}

func TestEveryFieldHasAKey(t *testing.T) {
	fields := 0
	c := reflect.TypeOf(Config{})
	for i := range c.NumField() {
		if f := c.Field(i); f.Name != "MongoURI" { // of the environment alone
			fields += f.Type.NumField()
		}
	}
	if n := len(newTable(new(Config))); n != fields {
		t.Errorf("%d keys for %d fields", n, fields)
	}
}

func TestPrecedence(t *testing.T) {
	file := write(t, "http:\n  listen: 127.0.0.1:1\nmqtt:\n  listen: 127.0.0.1:2\nlog:\n  linger: 7ms\n  max_size: 2GiB\n")
	c, warnings, err := Load(Sources{
		DefaultYAML: []byte("log:\n  linger: 6ms\n  window: 8MiB\n"),
		File:        file,
		Environ:     []string{"PORT=3000", "TIDEGATE_MQTT_LISTEN=127.0.0.1:3", "TIDEGATE_LOG_LINGER=8ms", "TIDEGATE_LOG_UNACKED="},
		Flags:       map[string]string{"log.linger": "9ms"},
	})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	want := Default()
	want.HTTP.Listen, want.MQTT.Listen = ":3000", "127.0.0.1:3"
	want.Log.Linger, want.Log.MaxSize, want.Log.Window = 9*time.Millisecond, 2<<30, 8<<20
	if c != want {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	c, _, err = Load(Sources{Environ: []string{"PORT=3000", "TIDEGATE_HTTP_LISTEN=127.0.0.1:4"}})
	if err != nil || c.HTTP.Listen != "127.0.0.1:4" {
		t.Errorf("TIDEGATE_HTTP_LISTEN against PORT: %q, %v", c.HTTP.Listen, err)
	}
}

func TestFileFaults(t *testing.T) {
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown section":     {"htpt:\n  listen: ':1'\n", `F line 1: unknown key "htpt"; did you mean "http"? Allowed: http, mqtt, tls, log, store, mongo, deadletters, alerts, notify, smtp, auth, logging, version`},
		"unknown key":         {"http:\n  lissten: ':1'\n", `F line 2: unknown key "lissten" in http; did you mean "listen"? Allowed: listen, tls_listen, redirect, cors_origins, rate_limit, rate_limit_address`},
		"key elsewhere":       {"store:\n  max_connections: 3\n", `F line 2: unknown key "max_connections" in store; did you mean "max_connections" in section "mqtt"? Allowed: flush_interval, flush_size, settle_after, keep_months`},
		"flat key":            {"mqtt_listen: ':1'\n", `F line 1: unknown key "mqtt_listen"; did you mean "listen" in section "mqtt"?`},
		"nothing near":        {"log:\n  zzzzzz: 1\n", `F line 2: unknown key "zzzzzz" in log. Allowed: max_size, linger, window, unacked`},
		"duplicate key":       {"log:\n  linger: 1ms\n  linger: 2ms\n", `F line 3: log.linger is given twice, first in line 2`},
		"duplicate section":   {"log:\n  linger: 1ms\nlog:\n  linger: 2ms\n", `F line 3: log is given twice, first in line 1`},
		"tab":                 {"log:\n\tlinger: 1ms\n", `F line 2: the line is indented with a tab; YAML takes spaces alone`},
		"tabbed comment":      {"log:\n\t# linger\n", `F line 2: the line is indented with a tab`},
		"not yaml":            {"log: [\n", `F line 1: not YAML: `},
		"json is a list":      {"[1, 2]\n", `F line 1: expected sections such as "http:", found a list`},
		"text":                {"hello\n", `F line 1: expected sections such as "http:", found "hello"`},
		"second document":     {"log:\n  linger: 1ms\n---\nlog:\n", `F line 3: a second document begins here; the file holds one`},
		"newer":               {"version: 2\nnew_thing: 1\n", `F line 1: the file is of format 2, this program reads up to 1: use the newer tidegate that it was written for`},
		"version":             {"version: one\n", `F line 1: version: "one" is not a version`},
		"bare duration":       {"log:\n  linger: 5\n", `F line 2: log.linger: "5" has no unit; write 5ms, 5s, 5m, 5h or 5d`},
		"bare size":           {"log:\n  max_size: 1024\n", `F line 2: log.max_size: "1024" has no unit; write 1024MiB, or another of B, KiB, MiB, GiB, TiB, kB, MB, GB, TB`},
		"wrong unit":          {"log:\n  max_size: 1 gb\n", `F line 2: log.max_size: "1 gb" is not a size such as 512MiB or 1GiB`},
		"size out of range":   {"log:\n  max_size: 1KiB\n", `F line 2: log.max_size: 1KiB is out of range; allowed are 1MiB to 16TiB`},
		"duration range":      {"log:\n  linger: 1h\n", `F line 2: log.linger: 1h is out of range; allowed are 0s to 10s`},
		"count":               {"deadletters:\n  keep_days: many\n", `F line 2: deadletters.keep_days: "many" is not a whole number from 1 to 36500 (days)`},
		"count out of range":  {"mqtt:\n  max_connections: 0\n", `F line 2: mqtt.max_connections: "0" is not a whole number from 1 to 1000000 (sockets)`},
		"address":             {"http:\n  listen: 8080\n", `F line 2: http.listen: "8080" is not an address; write ":8080" for every interface or "127.0.0.1:8080" for this machine alone`},
		"port":                {"http:\n  listen: ':80800'\n", `(a port is a number from 0 to 65535)`},
		"choice":              {"logging:\n  level: inof\n", `F line 2: logging.level: "inof" is not one of debug, info, warn, error; did you mean "info"?`},
		"list as value":       {"logging:\n  level: [info]\n", `F line 2: logging.level takes a single value, found a list`},
		"no value":            {"logging:\n  level:\n", `F line 2: logging.level has no value; give one or delete the line`},
		"scalar section":      {"logging: info\n", `F line 1: logging takes keys (level, format), found "info"`},
		"alias":               {"log: &a\n  linger: 1ms\nstore: *a\n", `F line 3: aliases are not supported here; write the value out`},
		"two faults":          {"log:\n  linger: 5\n  max_size: 5\n", "F line 3: log.max_size"},
		"window beyond log":   {"log:\n  max_size: 4MiB\n", `log.window is 8MiB, more than log.max_size 4MiB`},
		"same port":           {"http:\n  listen: ':1883'\n", `F line 2: http.listen and mqtt.listen are both ":1883"`},
		"same port with TLS":  {"http:\n  tls_listen: ':1883'\ntls:\n  self_signed: true\n", `F line 2: mqtt.listen and http.tls_listen are both ":1883"`},
		"no key":              {"tls:\n  cert: c.pem\n", `F line 2: tls.cert is given and tls.key is not: name the file of its private key`},
		"no certificate":      {"tls:\n  key: k.pem\n", `F line 2: tls.key is given and tls.cert is not: name the file of its certificate`},
		"two certificates":    {"tls:\n  cert: c.pem\n  key: k.pem\n  self_signed: true\n", `F line 4: tls.self_signed is true and tls.cert names c.pem: choose one`},
		"two keys":            {"tls:\n  key: k.pem\n  self_signed: true\n", `F line 3: tls.self_signed is true and tls.key names k.pem`},
		"required of nobody":  {"tls:\n  self_signed: true\n  client_required: true\n", `F line 3: tls.client_required is true and tls.client_ca is not given`},
		"a CA without TLS":    {"tls:\n  client_ca: ca.pem\n", `F line 2: tls.client_ca is given and there is no TLS: give tls.cert and tls.key, or set tls.self_signed to true`},
		"a CA without MQTT":   {"mqtt:\n  tls_listen: ''\ntls:\n  self_signed: true\n  client_ca: ca.pem\n", `F line 5: tls.client_ca is for MQTT over TLS, and mqtt.tls_listen is empty`},
		"plain HTTP closed":   {"http:\n  listen: ''\n", `F line 2: http.listen is empty and there is no TLS, so that nothing would listen`},
		"plain MQTT closed":   {"mqtt:\n  listen: ''\n", `F line 2: mqtt.listen is empty and there is no TLS`},
		"all HTTP closed":     {"http:\n  listen: ''\n  tls_listen: ''\ntls:\n  self_signed: true\n", `F line 2: http.listen and http.tls_listen are both empty`},
		"all MQTT closed":     {"mqtt:\n  tls_listen: ''\n  listen: ''\ntls:\n  self_signed: true\n", `F line 3: mqtt.listen and mqtt.tls_listen are both empty`},
		"nothing with TLS":    {"http:\n  tls_listen: ''\nmqtt:\n  tls_listen: ''\ntls:\n  self_signed: true\n", `F line 2: http.tls_listen and mqtt.tls_listen are both empty, so that nothing would use the certificate`},
		"a path of two lines": {"tls:\n  cert: \"a\\nb\"\n", `F line 2: tls.cert: "a\nb" is not the path of a file`},
		"any origin":          {"http:\n  cors_origins: ['*']\n", `F line 2: http.cors_origins: "*" would let in pages that nobody has named; write each origin out, such as https://grafana.example.org`},
		"origin with a path":  {"http:\n  cors_origins:\n    - https://a.example\n    - https://b.example/\n", `"https://b.example/" is not an origin`},
		"origin is a host":    {"http:\n  cors_origins: grafana.example.org\n", `"grafana.example.org" is not an origin`},
		"origin null":         {"http:\n  cors_origins: ['null']\n", `"null" is not an origin`},
		"origins in origins":  {"http:\n  cors_origins: [[a]]\n", `F line 2: http.cors_origins takes a list of single values, found a list in it`},
		"no range":            {"notify:\n  allow: [10.0.0.0/8, intranet]\n", `F line 2: notify.allow: "intranet" is not a range of addresses such as 192.168.0.0/16, 10.1.2.3 or fd00::/8`},
		"a range too wide":    {"notify:\n  allow: 10.0.0.0/33\n", `"10.0.0.0/33" is not a range`},
		"no page":             {"notify:\n  base_url: box.example.org\n", `F line 2: notify.base_url: "box.example.org" is not the address of a page, such as https://box.example.org`},
		"a server with port":  {"smtp:\n  host: mail:587\n", `F line 2: smtp.host: "mail:587" is not the name of a machine, such as mail.example.org; its port is a key of its own`},
		"no sender":           {"smtp:\n  host: mail\n", `F line 2: smtp.host is given and smtp.from is not`},
		"no server":           {"smtp:\n  from: a@example.org\n", `F line 2: smtp.from is given and smtp.host is not`},
		"no address":          {"smtp:\n  from: alarms\n", `F line 2: smtp.from: "alarms" is not an address such as alarms@example.org`},
		"nobody's password":   {"smtp:\n  password: hunter2\n", `F line 2: a password for the mail server is given and smtp.user is not`},
		"two passwords":       {"smtp:\n  user: a\n  password: b\n  password_file: c\n", `F line 4: smtp.password and smtp.password_file are both given: choose one`},
		"password of lines":   {"smtp:\n  password: \"a\\nb\"\n", `F line 2: smtp.password: a password has no line break in it`},
		"unknown encryption":  {"smtp:\n  tls: ssl\n", `F line 2: smtp.tls: "ssl" is not one of starttls, tls, none`},
		"origins mapped":      {"http:\n  cors_origins: {a: b}\n", `http.cors_origins takes a single value, found a mapping`},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, c.yaml)
			_, _, err := Load(Sources{File: file})
			if err == nil {
				t.Fatal("no error")
			}
			if got := strings.ReplaceAll(err.Error(), file, "F"); !strings.Contains(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestFilesThatChangeNothing(t *testing.T) {
	for _, yaml := range []string{"", "# nothing\n", "---\n", "version: 1\n", "http:\n  # listen: ':1'\n", "\xef\xbb\xbfhttp:\r\n  listen: \":8080\"\r\n"} {
		c, warnings, err := Load(Sources{File: write(t, yaml)})
		if err != nil || len(warnings) > 0 || c != Default() {
			t.Errorf("%q: %v, %v, %+v", yaml, err, warnings, c)
		}
	}
	if _, _, err := Load(Sources{File: filepath.Join(t.TempDir(), "absent.yaml")}); err == nil {
		t.Error("a named file that is absent gave no error")
	}
}

func TestEnvironment(t *testing.T) {
	for name, c := range map[string]struct {
		env     string
		fault   string
		warning string
	}{
		"bad value":     {env: "TIDEGATE_LOG_LINGER=5", fault: `environment TIDEGATE_LOG_LINGER: "5" has no unit`},
		"bad port":      {env: "PORT=http", fault: `environment PORT: "http" is not a port from 0 to 65535, such as 3000`},
		"near":          {env: "TIDEGATE_HTTP_LISTN=:1", warning: `TIDEGATE_HTTP_LISTN is not a setting and has no effect; did you mean "TIDEGATE_HTTP_LISTEN"?`},
		"far":           {env: "TIDEGATE_ZZZ=1", warning: "TIDEGATE_ZZZ is not a setting and has no effect"},
		"http port":     {env: "TIDEGATE_HTTP_PORT=8080", warning: "TIDEGATE_HTTP_PORT is not a setting and has no effect"},
		"kubernetes":    {env: "TIDEGATE_PORT=tcp://10.0.0.1:1883", warning: "Kubernetes"},
		"kubernetes 2":  {env: "TIDEGATE_PORT_1883_TCP_ADDR=10.0.0.1", warning: "Kubernetes"},
		"kubernetes 3":  {env: "TIDEGATE_SERVICE_PORT_MQTT=1883", warning: "Kubernetes"},
		"mongo":         {env: "MONGO_URI=mongodb://db"},
		"bridge":        {env: "MQTT_URL=tcp://x", warning: "MQTT_URL is set but has no effect"},
		"redis":         {env: "REDIS_URL=redis://x", warning: "REDIS_URL is set but has no effect"},
		"s3":            {env: "ARCHIVE_S3_BUCKET=b", warning: "ARCHIVE_S3_BUCKET is set but has no effect"},
		"aws":           {env: "AWS_REGION=eu", warning: "AWS_REGION set but without effect"},
		"short secret":  {env: "JWT_SECRET=hunter2", warning: "JWT_SECRET has 7 characters"},
		"previous":      {env: "JWT_SECRET_PREVIOUS=hunter2", warning: "JWT_SECRET_PREVIOUS has 7 characters"},
		"long secret":   {env: "JWT_SECRET=0123456789012345678901234567890123456789"},
		"empty":         {env: "MONGO_URI="},
		"nothing to us": {env: "HOME=/root"},
	} {
		t.Run(name, func(t *testing.T) {
			_, warnings, err := Load(Sources{Environ: []string{c.env}})
			if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
				t.Errorf("error %v, want %q", err, c.fault)
			}
			if got := strings.Join(warnings, "\n"); (got == "") != (c.warning == "") || !strings.Contains(got, c.warning) {
				t.Errorf("warnings %q, want %q", got, c.warning)
			}
			if strings.Contains(strings.Join(warnings, ""), "hunter2") {
				t.Error("a warning shows a secret")
			}
		})
	}
}

func TestEveryKeyHasAVariable(t *testing.T) {
	other := map[string]string{
		"http.listen": ":1", "http.tls_listen": ":4", "http.redirect": "false", "http.cors_origins": "https://a.example, http://10.0.0.7:3000", "http.rate_limit": "21", "http.rate_limit_address": "22", "http.live_connections": "23", "http.live_connections_user": "24", "mqtt.listen": ":2", "mqtt.tls_listen": ":5",
		"tls.cert": "/c.pem", "tls.key": "/k.pem", "tls.self_signed": "true", "tls.client_ca": "/ca.pem", "tls.client_required": "true", "mqtt.max_connections": "3", "log.max_size": "4GiB", "log.linger": "5ms",
		"log.window": "6MiB", "log.unacked": "7MiB", "store.flush_interval": "8s", "store.flush_size": "9MiB", "store.settle_after": "9s", "store.keep_months": "10",
		"mongo.flush_interval": "11s", "mongo.flush_size": "12MiB", "mongo.writers": "13", "mongo.raw_payload": "true",
		"alerts.max_age": "16m", "notify.allow": "127.0.0.0/8, 10.1.2.3", "notify.group_wait": "15s", "notify.base_url": "https://box.example.org/", "smtp.host": "mail.example.org", "smtp.port": "2525",
		"smtp.user": "box", "smtp.password": "hunter2", "smtp.password_file": "password", "smtp.from": "Plant <alarms@example.org>", "smtp.tls": "tls",
		"deadletters.keep_days": "11", "deadletters.max_size": "12MiB", "auth.access_token_ttl": "13m", "auth.session_ttl": "14d", "logging.level": "debug", "logging.format": "json",
	}
	// What some make no sense without.
	with := map[string][]string{
		"tls.cert": {"TIDEGATE_TLS_KEY=k"}, "tls.key": {"TIDEGATE_TLS_CERT=c"}, "tls.client_ca": {"TIDEGATE_TLS_SELF_SIGNED=true"},
		"tls.client_required": {"TIDEGATE_TLS_SELF_SIGNED=true", "TIDEGATE_TLS_CLIENT_CA=ca"},
		"smtp.host":           {"TIDEGATE_SMTP_FROM=a@example.org"}, "smtp.from": {"TIDEGATE_SMTP_HOST=mail"}, "smtp.password": {"TIDEGATE_SMTP_USER=a"}, "smtp.password_file": {"TIDEGATE_SMTP_USER=a"},
	}
	for _, path := range newTable(new(Config)).paths() {
		section, name, _ := strings.Cut(path, ".")
		fromFile, _, err := Load(Sources{File: write(t, section+":\n  "+name+": \""+other[path]+"\"\n"), Environ: with[path]})
		if err != nil {
			t.Fatal(err)
		}
		env := "TIDEGATE_" + strings.ToUpper(section) + "_" + strings.ToUpper(name) + "=" + other[path]
		fromEnv, warnings, err := Load(Sources{Environ: append(with[path], env)})
		if err != nil || len(warnings) > 0 && path != "tls.client_required" || fromEnv != fromFile {
			t.Errorf("%s: %v %v\n%+v\n%+v", env, err, warnings, fromEnv, fromFile)
		}
	}
}

// With a certificate the plain doors may be closed, and one of those with TLS.
func TestDoorsWithTLS(t *testing.T) {
	c, _, err := Load(Sources{
		File:  write(t, "http:\n  listen: ''\nmqtt:\n  listen: ''\ntls:\n  self_signed: true\n"),
		Flags: map[string]string{"http.tls_listen": "127.0.0.1:0", "mqtt.tls_listen": "127.0.0.1:0"},
	})
	if err != nil || c.HTTP.Listen != "" || c.MQTT.Listen != "" || !c.UsesTLS() {
		t.Errorf("%+v, %v", c, err)
	}
	// Nobody has given a default.
	_, _, err = Load(Sources{DefaultYAML: []byte("mqtt:\n  listen: ':1'\nhttp:\n  listen: ':1'\n")})
	if err == nil || !strings.HasPrefix(err.Error(), "http.listen and mqtt.listen are both") {
		t.Error(err)
	}
	// Closed doors share no port, nor do those that TLS would open.
	if _, _, err := Load(Sources{File: write(t, "http:\n  tls_listen: ':1883'\n")}); err != nil {
		t.Error(err)
	}
}

// Whoever requires certificates is told of the door that asks for none.
func TestRequiredCertificatesAndThePlainDoor(t *testing.T) {
	for listen, warns := range map[string]bool{":1883": true, "0.0.0.0:1883": true, "127.0.0.1:1883": false, "localhost:1883": false, "[::1]:1883": false, "": false} {
		_, warnings, err := Load(Sources{File: write(t, "mqtt:\n  listen: '"+listen+"'\ntls:\n  self_signed: true\n  client_ca: ca.pem\n  client_required: true\n")})
		if err != nil || (len(warnings) == 1) != warns || warns && !strings.Contains(warnings[0], "there a password alone gets a device in") {
			t.Errorf("%q: %v, %v", listen, warnings, err)
		}
	}
}

func TestPlace(t *testing.T) {
	s := Sources{
		File:    write(t, "tls:\n  cert: a\n  key: b\n"),
		Environ: []string{"TIDEGATE_TLS_KEY=c"},
		Flags:   map[string]string{"http.listen": ":1"},
	}
	for path, want := range map[string]string{
		"tls.cert": s.File + " line 2: ", "tls.key": "environment TIDEGATE_TLS_KEY: ", "http.listen": "flag for http.listen: ", "tls.client_ca": "", "no.such": "",
	} {
		if got := Place(s, path); got != want {
			t.Errorf("%s is at %q, want %q", path, got, want)
		}
	}
}

func TestOrigins(t *testing.T) {
	for yaml, want := range map[string][]string{
		"[]":                nil,
		"\"\"":              nil,
		"https://A.example": {"https://a.example"},
		"https://a.example,http://b.example:3000 ":               {"https://a.example", "http://b.example:3000"},
		"[https://a.example:443, http://b.example:80]":           {"https://a.example", "http://b.example"},
		"[https://a.example, 'https://A.EXAMPLE']":               {"https://a.example"},
		"['http://[2001:db8::1]:80', 'http://[2001:db8::1]:81']": {"http://[2001:db8::1]", "http://[2001:db8::1]:81"},
		"\n    - https://a.example\n    - http://localhost:3000": {"https://a.example", "http://localhost:3000"},
	} {
		c, _, err := Load(Sources{File: write(t, "http:\n  cors_origins: "+yaml+"\n")})
		if err != nil || !reflect.DeepEqual(c.HTTP.CORSOrigins.All(), want) {
			t.Errorf("%s: %q, %v", yaml, c.HTTP.CORSOrigins.All(), err)
		}
	}
}

func TestRanges(t *testing.T) {
	for yaml, want := range map[string]string{
		"[]": "[]", "\"\"": "[]", "127.0.0.0/8": "[127.0.0.0/8]", "[127.0.0.1/8, 10.1.2.3, 'fd00::1/8', '::1', 127.0.0.0/8]": "[127.0.0.0/8 10.1.2.3/32 fd00::/8 ::1/128]",
	} {
		c, _, err := Load(Sources{File: write(t, "notify:\n  allow: "+yaml+"\n")})
		if got := fmt.Sprint(c.Notify.Allow.Prefixes()); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", yaml, got, err, want)
		}
	}
}

// A password is kept and not shown.
func TestPassword(t *testing.T) {
	c, warnings, err := Load(Sources{Environ: []string{"TIDEGATE_SMTP_HOST=mail", "TIDEGATE_SMTP_FROM=a@b.example", "TIDEGATE_SMTP_USER=a", "TIDEGATE_SMTP_PASSWORD=hunter2", "TIDEGATE_SMTP_TLS=none"}})
	if err != nil || c.SMTP.Password.Reveal() != "hunter2" || len(warnings) != 1 || !strings.Contains(warnings[0], "can be read on the way") {
		t.Errorf("%v, %v", warnings, err)
	}
	b, err := json.Marshal(c)
	if shown := fmt.Sprintf("%v %+v %#v %s %s", c, c, c, c.SMTP.Password, b); err != nil || strings.Contains(shown, "hunter2") || !strings.Contains(shown, "[secret]") {
		t.Errorf("%v: %s", err, shown)
	}
}

func TestUnknownFlag(t *testing.T) {
	_, _, err := Load(Sources{Flags: map[string]string{"log.lingr": "5ms"}})
	if err == nil || !strings.Contains(err.Error(), `did you mean "log.linger"?`) {
		t.Error(err)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
