package broker

import (
	"strconv"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"

	"tidegate/ingest"
	"tidegate/store"
)

// route says what a publish on a topic is.
type route uint8

const (
	routeDenied route = iota
	routeTelemetry
	routeLifecycle // the device's own status
	routeResult    // the device's answer to a command
	routeOther     // anything else below a device's subtree
)

// access is what a principal may reach. It does not change while connected.
type access struct {
	orgID    string       // empty for a service account of all organizations
	deviceID string       // empty for a service account
	prefix   string       // "org/{org}/device/{id}/" of a device
	may      store.Access // of a service account
}

func accessOf(p *ingest.Principal) access {
	if d := p.Device; d != nil {
		return access{orgID: d.OrgID, deviceID: d.ID, prefix: "org/" + d.OrgID + "/device/" + d.ID + "/"}
	}
	return access{orgID: p.OrgID, may: p.Access}
}

// publish answers what a publish on topic is, and whose telemetry it carries.
func (a *access) publish(topic string) (r route, orgID, deviceID string) {
	if a.deviceID != "" {
		rest, ok := strings.CutPrefix(topic, a.prefix)
		switch {
		case !ok || rest == "":
			return routeDenied, "", ""
		case rest == "telemetry":
			return routeTelemetry, a.orgID, a.deviceID
		case rest == "lifecycle":
			return routeLifecycle, a.orgID, a.deviceID
		case rest == "cmdres":
			return routeResult, a.orgID, a.deviceID
		}
		return routeOther, a.orgID, a.deviceID
	}
	org, id, rest := subtree(topic)
	if rest != "telemetry" || !isLevel(org) || !isLevel(id) || !a.may.May(store.ActionIngest) || !a.may.SeesDevice(org, id) {
		return routeDenied, "", ""
	}
	return routeTelemetry, org, id
}

// command answers the id of a command of the queue's that a packet to the device
// carries. What others publish on its command topic is a message as any.
func (a *access) command(pk *packets.Packet) (id string, ours bool) {
	if a.deviceID == "" || pk.FixedHeader.Type != packets.Publish {
		return "", false
	}
	rest, ok := strings.CutPrefix(pk.TopicName, a.prefix)
	answer, asked := strings.CutPrefix(pk.Properties.ResponseTopic, a.prefix)
	return string(pk.Properties.CorrelationData), ok && rest == "command" && asked && answer == "cmdres"
}

// reads reports whether the filter, or topic, lies wholly within what the
// principal may read. An id is never a wildcard, and what is not seen is never
// matched by one.
func (a *access) reads(filter string) bool {
	filter = unshared(filter)
	if a.deviceID != "" {
		return len(filter) > len(a.prefix) && strings.HasPrefix(filter, a.prefix)
	}
	below, ok := strings.CutPrefix(filter, "org/")
	if !ok || below == "" || !a.may.May(store.ActionRead) {
		return false
	}
	if a.may.Whole() {
		return true
	}
	org, below, _ := strings.Cut(below, "/")
	if below != "" && a.may.SeesOrg(org) {
		return true
	}
	org, id, rest := subtree(filter)
	return rest != "" && a.may.SeesDevice(org, id)
}

// subtree takes org/{org}/device/{id}/{rest} apart; rest is empty when topic, or
// filter, does not lie below a device's subtree.
func subtree(topic string) (org, id, rest string) {
	topic, ok := strings.CutPrefix(topic, "org/")
	if !ok {
		return "", "", ""
	}
	org, topic, _ = strings.Cut(topic, "/")
	if topic, ok = strings.CutPrefix(topic, "device/"); !ok {
		return "", "", ""
	}
	id, rest, _ = strings.Cut(topic, "/")
	return org, id, rest
}

// isLevel reports whether s has the length of an id. Whose it is the pipeline
// finds out: what nobody is called becomes a dead letter.
func isLevel(s string) bool { return s != "" && len(s) <= store.MaxIDLength }

// allowed names what a may reach, for a refusal's line.
func (a *access) allowed(write bool) string {
	if a.deviceID != "" {
		return a.prefix + "#"
	}
	action, tail := store.ActionRead, "#"
	if write {
		action, tail = store.ActionIngest, "telemetry"
	}
	org := "org/" + a.orgID + "/"
	if a.may.AllOrgs {
		org = "org/+/"
	}
	switch {
	case !a.may.May(action):
		return "nothing, for want of the scope " + strings.Join(action.Names(), "")
	case a.may.Devices == nil && write:
		return org + "device/+/" + tail
	case a.may.Devices == nil && a.may.AllOrgs:
		return "org/#"
	case a.may.Devices == nil:
		return org + tail
	case len(a.may.Devices) == 0:
		return "nothing"
	}
	s := org + "device/" + a.may.Devices[0] + "/" + tail
	if n := len(a.may.Devices) - 1; n > 0 {
		s += ", and the same of " + strconv.Itoa(n) + " more devices"
	}
	return s
}

// unshared strips $share/{group}/ from a filter. The prefix is compared without
// case, as mochi does.
func unshared(filter string) string {
	const share = "$share/"
	if len(filter) < len(share) || !strings.EqualFold(filter[:len(share)], share) {
		return filter
	}
	_, rest, _ := strings.Cut(filter[len(share):], "/")
	return rest
}

// matchesTelemetry reports whether the filter can match any telemetry topic.
func matchesTelemetry(filter string) bool {
	filter = unshared(filter)
	for _, want := range [...]string{"org", "", "device", "", "telemetry"} {
		level, rest, more := strings.Cut(filter, "/")
		switch {
		case level == "#":
			return true
		case level != "+" && want != "" && level != want:
			return false
		}
		if !more {
			// The fifth level ends a telemetry topic.
			return want == "telemetry"
		}
		filter = rest
	}
	return filter == "#" // telemetry/# matches telemetry, too
}
