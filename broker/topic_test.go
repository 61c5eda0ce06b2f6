package broker

import (
	"fmt"
	"strings"
	"testing"

	"tidegate/ingest"
	"tidegate/store"
)

var (
	deviceD1 = accessOf(&ingest.Principal{Name: "device:d1", Device: &ingest.Device{ID: "d1", OrgID: "acme"}, OrgID: "acme"})
	gateway  = accountWith(store.Access{Actions: store.ActionIngest, OrgID: "acme"})
	reader   = accountWith(store.Access{Actions: store.ActionRead, OrgID: "acme"})

	gatewayAll  = accountWith(store.Access{Actions: store.ActionIngest, AllOrgs: true})
	readerAll   = accountWith(store.Access{Actions: store.ActionRead, AllOrgs: true})
	gatewayList = accountWith(store.Access{Actions: store.ActionIngest, OrgID: "acme", Devices: []string{"d1", "d3", "d5"}})
	readerList  = accountWith(store.Access{Actions: store.ActionRead, OrgID: "acme", Devices: []string{"d1"}})
	// No catalogue holds these.
	nobody   = accountWith(store.Access{})
	listless = accountWith(store.Access{Actions: store.ActionRead | store.ActionIngest, OrgID: "acme", Devices: []string{}})
)

func accountWith(a store.Access) access {
	return accessOf(&ingest.Principal{Name: "apikey:k", OrgID: a.OrgID, Access: a})
}

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
		{"device", deviceD1, "org/acme/device/d1/cmdres", routeResult, "d1"},
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
		{"gateway", gateway, "org/acme/device/d1/telemetry/", routeDenied, ""},
		{"gateway", gateway, "org/acme/device/d1/telemetry/x", routeDenied, ""},
		{"gateway", gateway, "org/acme/devices/d1/telemetry", routeDenied, ""},
		{"gateway", gateway, "org//device/d1/telemetry", routeDenied, ""},
		{"gateway", gateway, "telemetry", routeDenied, ""},
		{"gateway", gateway, "", routeDenied, ""},
		{"reader", reader, "org/acme/device/d1/telemetry", routeDenied, ""},
		{"gateway of all", gatewayAll, "org/acme/device/d1/telemetry", routeTelemetry, "d1"},
		{"gateway of all", gatewayAll, "org/nobody/device/d1/telemetry", routeTelemetry, "d1"},
		{"gateway of all", gatewayAll, "org//device/d1/telemetry", routeDenied, ""},
		{"gateway of all", gatewayAll, "org/" + strings.Repeat("x", 65) + "/device/d1/telemetry", routeDenied, ""},
		{"gateway of all", gatewayAll, "org/acme/x/device/d1/telemetry", routeDenied, ""},
		{"gateway of all", gatewayAll, "org/acme/device/d1/lifecycle", routeDenied, ""},
		{"gateway of all", gatewayAll, "org/acme/device/d1/command", routeDenied, ""},
		{"reader of all", readerAll, "org/acme/device/d1/telemetry", routeDenied, ""},
		{"gateway of a list", gatewayList, "org/acme/device/d1/telemetry", routeTelemetry, "d1"},
		{"gateway of a list", gatewayList, "org/acme/device/d5/telemetry", routeTelemetry, "d5"},
		{"gateway of a list", gatewayList, "org/acme/device/d2/telemetry", routeDenied, ""},
		{"gateway of a list", gatewayList, "org/acme/device/nobody/telemetry", routeDenied, ""},
		{"gateway of a list", gatewayList, "org/other/device/d1/telemetry", routeDenied, ""},
		{"gateway of a list", gatewayList, "org/acme/device/d1/command", routeDenied, ""},
		{"nobody", nobody, "org/acme/device/d1/telemetry", routeDenied, ""},
		{"nobody", nobody, "org//device/d1/telemetry", routeDenied, ""},
		{"an empty list", listless, "org/acme/device/d1/telemetry", routeDenied, ""},
	} {
		r, org, id := c.a.publish(c.topic)
		if r != c.want || id != c.id {
			t.Errorf("%s publishes to %q: route %d of %q, want %d of %q", c.who, c.topic, r, id, c.want, c.id)
		}
		if r == routeTelemetry && ingest.TelemetryTopic(org, id) != c.topic {
			t.Errorf("%s publishes to %q for %q of %q", c.who, c.topic, id, org)
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
		{"reader", reader, "org/acme/", false},
		{"reader", reader, "org/acme/+/d1/#", true},
		{"gateway", gateway, "org/acme/#", false},
		{"gateway of all", gatewayAll, "org/acme/device/d1/telemetry", false},
		{"reader of all", readerAll, "org/#", true},
		{"reader of all", readerAll, "org/+/device/+/telemetry", true},
		{"reader of all", readerAll, "org/acme/#", true},
		{"reader of all", readerAll, "$share/g/org/#", true},
		{"reader of all", readerAll, "org/", false},
		{"reader of all", readerAll, "org", false},
		{"reader of all", readerAll, "#", false},
		{"reader of all", readerAll, "+/acme/#", false},
		{"reader of all", readerAll, "$SYS/#", false},
		{"reader of all", readerAll, "organization/x", false},
		{"gateway of a list", gatewayList, "org/acme/device/d1/command", false},
		{"reader of a list", readerList, "org/acme/device/d1/#", true},
		{"reader of a list", readerList, "org/acme/device/d1/+", true},
		{"reader of a list", readerList, "org/acme/device/d1/telemetry", true},
		{"reader of a list", readerList, "$share/g/org/acme/device/d1/#", true},
		{"reader of a list", readerList, "org/acme/device/d1", false},
		{"reader of a list", readerList, "org/acme/device/d1/", false},
		{"reader of a list", readerList, "org/acme/device/d10/#", false},
		{"reader of a list", readerList, "org/acme/device/d2/#", false},
		{"reader of a list", readerList, "org/acme/device/+/telemetry", false},
		{"reader of a list", readerList, "org/acme/device/#", false},
		{"reader of a list", readerList, "org/acme/#", false},
		{"reader of a list", readerList, "org/acme/+/d1/telemetry", false},
		{"reader of a list", readerList, "org/+/device/d1/telemetry", false},
		{"reader of a list", readerList, "org/other/device/d1/telemetry", false},
		{"reader of a list", readerList, "+/acme/device/d1/telemetry", false},
		{"reader of a list", readerList, "$share/g/org/acme/device/+/telemetry", false},
		{"nobody", nobody, "org//x", false},
		{"nobody", nobody, "org/acme/device/d1/#", false},
		{"an empty list", listless, "org/acme/device/d1/#", false},
	} {
		if got := c.a.reads(c.filter); got != c.want {
			t.Errorf("%s reads %q: %v, want %v", c.who, c.filter, got, c.want)
		}
	}
}

// TestAllowed shows what people read who were refused.
func TestAllowed(t *testing.T) {
	for _, c := range []struct {
		a           access
		write, read string
	}{
		{deviceD1, "org/acme/device/d1/#", "org/acme/device/d1/#"},
		{gateway, "org/acme/device/+/telemetry", "nothing, for want of the scope read"},
		{reader, "nothing, for want of the scope ingest", "org/acme/#"},
		{gatewayAll, "org/+/device/+/telemetry", "nothing, for want of the scope read"},
		{readerAll, "nothing, for want of the scope ingest", "org/#"},
		{gatewayList, "org/acme/device/d1/telemetry, and the same of 2 more devices", "nothing, for want of the scope read"},
		{readerList, "nothing, for want of the scope ingest", "org/acme/device/d1/#"},
		{listless, "nothing", "nothing"},
	} {
		if got := c.a.allowed(true); got != c.write {
			t.Errorf("publishes to %q, want %q", got, c.write)
		}
		if got := c.a.allowed(false); got != c.read {
			t.Errorf("reads %q, want %q", got, c.read)
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
		if r, _, id := deviceD1.publish(topic); r != routeDenied && (id != "d1" || !strings.HasPrefix(topic, "org/acme/device/d1/")) {
			t.Errorf("d1 publishes to %q", topic)
		}
		for _, a := range []*access{&gateway, &gatewayAll, &gatewayList, &readerAll, &nobody, &listless} {
			r, org, id := a.publish(topic)
			if r != routeDenied && (r != routeTelemetry || topic != ingest.TelemetryTopic(org, id) || !a.may.SeesDevice(org, id)) {
				t.Errorf("%+v publishes to %q for %q of %q", a.may, topic, id, org)
			}
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
		if readerAll.reads(topic) && !strings.HasPrefix(bare, "org/") {
			t.Errorf("the reader of all organizations reads %q", topic)
		}
		if readerList.reads(topic) && !strings.HasPrefix(bare, "org/acme/device/d1/") {
			t.Errorf("the reader of a list reads %q", topic)
		}
		if nobody.reads(topic) || listless.reads(topic) || gatewayAll.reads(topic) {
			t.Errorf("one who may not read reads %q", topic)
		}
		_ = matchesTelemetry(topic)
	})
}

// TestTopicIsolation prints who may publish (p) and subscribe (s) where, as a
// matrix, and holds it against what it must be.
func TestTopicIsolation(t *testing.T) {
	topics := []string{
		"org/acme/device/d1/telemetry", "org/acme/device/d1/lifecycle", "org/acme/device/d2/telemetry", "org/acme/device/d2/lifecycle",
		"org/acme/#", "org/other/device/d1/telemetry", "org/other/device/d1/lifecycle", "org/other/#", "org/+/device/d1/telemetry", "org/#", "#",
	}
	var table strings.Builder
	for _, c := range []struct {
		who  string
		a    access
		want string // a topic each
	}{
		{"device d1 of acme", deviceD1, "ps ps -- -- -- -- -- -- -- -- --"},
		{"key ingest of acme", gateway, "p- -- p- -- -- -- -- -- -- -- --"},
		{"key read of acme", reader, "-s -s -s -s -s -- -- -- -- -- --"},
		{"key ingest of d1, d3, d5", gatewayList, "p- -- -- -- -- -- -- -- -- -- --"},
		{"key read of d1", readerList, "-s -s -- -- -- -- -- -- -- -- --"},
		{"key ingest of all", gatewayAll, "p- -- p- -- -- p- -- -- -- -- --"},
		{"key read of all", readerAll, "-s -s -s -s -s -s -s -s -s -s --"},
		{"nobody", nobody, "-- -- -- -- -- -- -- -- -- -- --"},
	} {
		var got []string
		for _, topic := range topics {
			cell := []byte("--")
			if r, _, _ := c.a.publish(topic); r != routeDenied && !strings.ContainsAny(topic, "+#") {
				cell[0] = 'p'
			}
			if c.a.reads(topic) {
				cell[1] = 's'
			}
			got = append(got, string(cell))
		}
		line := strings.Join(got, " ")
		if line != c.want {
			t.Errorf("%s: %s, want %s", c.who, line, c.want)
		}
		fmt.Fprintf(&table, "%-26s %s\n", c.who, line)
	}
	t.Logf("%s:\n%s", strings.Join(topics, " | "), table.String())
}
