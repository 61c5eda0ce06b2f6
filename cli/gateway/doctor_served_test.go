package gateway

import (
	"strings"
	"testing"

	"tidegate/api/client"
	"tidegate/cli/config"
)

// TestDoctorOfAServer asks a server that runs how it is, and then one without
// its database.
func TestDoctorOfAServer(t *testing.T) {
	b := newBox(t, "")
	b.warnings = []string{"something looks odd"}
	b.start()
	b.sample()
	got := b.doctor()
	for name, want := range map[string]string{
		"server": "version test serves " + b.dir, "clock": "20", "disk": "MiB free", "http.listen": "this server listens on " + b.addrs.HTTP,
		"mqtt.listen": "this server listens on " + b.addrs.MQTT, "files": "open", "log": "0 messages wait", "readings": "applied the log up to", "alarms": "0 go on", "sessions": "logins are open",
	} {
		if c := got[name]; c.State != "ok" || !strings.Contains(c.Detail, want) {
			t.Errorf("%s: %+v, want ok with %q", name, c, want)
		}
	}
	if c := got["configuration"]; c.State != "warning" || c.Detail != "something looks odd" {
		t.Errorf("configuration: %+v", c)
	}
	s, err := b.cl.Settings(t.Context())
	if err != nil || len(s.Items) != 1 || s.Items[0] != (client.Setting{Key: "http.listen", Value: ":1", Default: ":8080", Source: "flag", Origin: "flag for http.listen"}) || !strings.Contains(s.Restart, "next start") {
		t.Errorf("settings: %+v %v", s, err)
	}
}

func TestDoctorOfAServerWithoutItsDatabase(t *testing.T) {
	p, uri := mongod(t)
	b := newBox(t, uri)
	b.start()
	b.sample()
	if c := b.doctor()["database"]; c.State != "ok" || !strings.Contains(c.Detail, "replica set") {
		t.Errorf("database: %+v", c)
	}
	p.Refuse(true)
	b.until("the database is away", func() bool { return b.doctor()["database"].State == "warning" })
}

// doctor answers the checks by name.
func (b *box) doctor() map[string]client.Check {
	b.t.Helper()
	r, err := b.cl.Doctor(b.t.Context())
	if err != nil {
		b.t.Fatalf("doctor: %v", err)
	}
	out := map[string]client.Check{}
	for _, c := range r.Items {
		out[c.Name] = c
	}
	return out
}

func settingsOfTheTest() []config.Setting {
	return []config.Setting{{Key: "http.listen", Value: ":1", Default: ":8080", Source: config.SourceFlag, Origin: "flag for http.listen"}}
}
