package broker

import (
	"strings"
	"testing"

	"tidegate/ingest"
)

var (
	deviceD1 = accessOf(&ingest.Principal{Name: "device:d1", Device: &ingest.Device{ID: "d1", OrgID: "acme"}, OrgID: "acme"})
	gateway  = accessOf(&ingest.Principal{Name: "apikey:k1", OrgID: "acme", Ingest: true})
	reader   = accessOf(&ingest.Principal{Name: "apikey:k2", OrgID: "acme", Read: true})
)

func TestPublishAccess(t *testing.T) {
	for _, c := range []struct {
		who   string
		a     access
		topic string
		want  route
		id    string
	}{
		{"device", deviceD1, "org/acme/device/d1/telemetry", routeTelemetry, "d1"},
		{"device", deviceD1, "org/acme/device/d1/lifecycle", routeLifecycle, "d1"},
		{"device", deviceD1, "org/acme/device/d1/cmdres", routeOther, "d1"},
		{"device", deviceD1, "org/acme/device/d1/a/b", routeOther, "d1"},
		{"device", deviceD1, "org/acme/device/d1/telemetry/", routeOther, "d1"},
		{"device", deviceD1, "org/acme/device/d1/", routeDenied, ""},
		{"device", deviceD1, "org/acme/device/d1", routeDenied, ""},
		{"device", deviceD1, "org/acme/device/d10/telemetry", routeDenied, ""},
		{"device", deviceD1, "org/acme/device/d2/telemetry", routeDenied, ""},
		{"device", deviceD1, "org/other/device/d1/telemetry", routeDenied, ""},
		{"device", deviceD1, "ORG/acme/device/d1/telemetry", routeDenied, ""},
		{"device", deviceD1, "/org/acme/device/d1/telemetry", routeDenied, ""},
		{"device", deviceD1, "$SYS/broker/version", routeDenied, ""},
		{"device", deviceD1, "", routeDenied, ""},
		{"gateway", gateway, "org/acme/device/d1/telemetry", routeTelemetry, "d1"},
		{"gateway", gateway, "org/acme/device/nobody/telemetry", routeTelemetry, "nobody"},
		{"gateway", gateway, "org/acme/device/a/b/telemetry", routeDenied, ""},
		{"gateway", gateway, "org/acme/device//telemetry", routeDenied, ""},
		{"gateway", gateway, "org/acme/device/telemetry", routeDenied, ""},
		{"gateway", gateway, "org/acme/device/" + strings.Repeat("x", 65) + "/telemetry", routeDenied, ""},
		{"gateway", gateway, "org/acme/device/d1/lifecycle", routeDenied, ""},
		{"gateway", gateway, "org/acme/device/d1/command", routeDenied, ""},
		{"gateway", gateway, "org/other/device/d1/telemetry", routeDenied, ""},
		{"reader", reader, "org/acme/device/d1/telemetry", routeDenied, ""},
	} {
		if r, id := c.a.publish(c.topic); r != c.want || id != c.id {
			t.Errorf("%s publishes to %q: route %d of %q, want %d of %q", c.who, c.topic, r, id, c.want, c.id)
		}
	}
}

func TestReadAccess(t *testing.T) {
	for _, c := range []struct {
		who    string
		a      access
		filter string
		want   bool
	}{
		{"device", deviceD1, "org/acme/device/d1/command", true},
		{"device", deviceD1, "org/acme/device/d1/#", true},
		{"device", deviceD1, "org/acme/device/d1/+", true},
		{"device", deviceD1, "$share/g/org/acme/device/d1/command", true},
		{"device", deviceD1, "$SHARE/g/org/acme/device/d1/command", true},
		{"device", deviceD1, "$share/g/org/acme/device/d2/command", false},
		{"device", deviceD1, "$share/org/acme/device/d1/x", false},
		{"device", deviceD1, "$share/g/#", false},
		{"device", deviceD1, "$share/g", false},
		{"device", deviceD1, "org/acme/device/d2/command", false},
		{"device", deviceD1, "org/acme/device/+/command", false},
		{"device", deviceD1, "org/acme/device/d1", false},
		{"device", deviceD1, "org/acme/#", false},
		{"device", deviceD1, "org/+/device/d1/command", false},
		{"device", deviceD1, "+/acme/device/d1/command", false},
		{"device", deviceD1, "#", false},
		{"device", deviceD1, "$SYS/#", false},
		{"device", deviceD1, "", false},
		{"reader", reader, "org/acme/#", true},
		{"reader", reader, "org/acme/device/+/lifecycle", true},
		{"reader", reader, "$share/g/org/acme/#", true},
		{"reader", reader, "org/other/#", false},
		{"reader", reader, "org/+/device/d1/telemetry", false},
		{"reader", reader, "org/acme", false},
		{"reader", reader, "org/acme2/x", false},
		{"reader", reader, "#", false},
		{"gateway", gateway, "org/acme/#", false},
	} {
		if got := c.a.reads(c.filter); got != c.want {
			t.Errorf("%s reads %q: %v, want %v", c.who, c.filter, got, c.want)
		}
	}
}

func TestMatchesTelemetry(t *testing.T) {
	for filter, want := range map[string]bool{
		"org/acme/device/d1/telemetry":   true,
		"org/acme/device/+/telemetry":    true,
		"org/acme/device/d1/telemetry/#": true,
		"org/acme/device/d1/+":           true,
		"org/acme/#":                     true,
		"$share/g/org/acme/#":            true,
		"+/+/+/+/+":                      true,
		"#":                              true,
		"org/acme/device/d1/command":     false,
		"org/acme/device/d1/telemetry/x": false,
		"org/acme/device/d1":             false,
		"org/acme/+":                     false,
		"org/acme/port/d1/telemetry":     false,
		"":                               false,
	} {
		if got := matchesTelemetry(filter); got != want {
			t.Errorf("%q: %v, want %v", filter, got, want)
		}
	}
}

// What a device may read or write lies below its subtree, whatever the topic
// looks like.
func FuzzAccess(f *testing.F) {
	for _, s := range []string{
		"org/acme/device/d1/telemetry", "org/acme/device/d2/telemetry", "$share/g/org/acme/device/d1/#",
		"$share//org/acme/device/d1/#", "$Share/g/org/acme/device/d2/+", "org/acme/device/+/telemetry", "org/acme/device/d1/", "", "#", "/", "$share/", "org//device//telemetry",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, topic string) {
		if r, id := deviceD1.publish(topic); r != routeDenied && (id != "d1" || !strings.HasPrefix(topic, "org/acme/device/d1/")) {
			t.Errorf("d1 publishes to %q", topic)
		}
		if r, id := gateway.publish(topic); r != routeDenied && (r != routeTelemetry || topic != ingest.TelemetryTopic("acme", id)) {
			t.Errorf("the gateway publishes to %q for %q", topic, id)
		}
		bare := topic
		if parts := strings.SplitN(topic, "/", 3); strings.EqualFold(parts[0], "$share") && len(parts) == 3 {
			bare = parts[2]
		}
		if deviceD1.reads(topic) && !strings.HasPrefix(bare, "org/acme/device/d1/") {
			t.Errorf("d1 reads %q", topic)
		}
		if reader.reads(topic) && !strings.HasPrefix(bare, "org/acme/") {
			t.Errorf("the reader reads %q", topic)
		}
		_ = matchesTelemetry(topic)
	})
}
