package broker

import (
	"strings"

	"tidegate/ingest"
	"tidegate/store"
)

// route says what a publish on a topic is.
type route uint8

const (
	routeDenied route = iota
	routeTelemetry
	routeLifecycle // the device's own status
	routeOther     // anything else below a device's subtree
)

// access is what a principal may reach. It does not change while connected.
type access struct {
	orgID    string
	deviceID string // empty for a service account
	prefix   string // "org/{org}/device/{id}/" of a device, "org/{org}/" of a service account
	ingest   bool
	read     bool
}

func accessOf(p *ingest.Principal) access {
	if d := p.Device; d != nil {
		return access{orgID: d.OrgID, deviceID: d.ID, prefix: "org/" + d.OrgID + "/device/" + d.ID + "/"}
	}
	return access{orgID: p.OrgID, prefix: "org/" + p.OrgID + "/", ingest: p.Ingest, read: p.Read}
}

// publish answers what a publish on topic is, and whose telemetry it carries.
func (a *access) publish(topic string) (r route, deviceID string) {
	rest, ok := strings.CutPrefix(topic, a.prefix)
	if !ok || rest == "" {
		return routeDenied, ""
	}
	if a.deviceID != "" {
		switch rest {
		case "telemetry":
			return routeTelemetry, a.deviceID
		case "lifecycle":
			return routeLifecycle, a.deviceID
		}
		return routeOther, a.deviceID
	}
	if !a.ingest {
		return routeDenied, ""
	}
	rest, ok = strings.CutPrefix(rest, "device/")
	if !ok {
		return routeDenied, ""
	}
	id, ok := strings.CutSuffix(rest, "/telemetry")
	if !ok || len(id) > store.MaxIDLength || id == "" || strings.IndexByte(id, '/') >= 0 {
		return routeDenied, ""
	}
	return routeTelemetry, id
}

// reads reports whether the filter, or topic, lies wholly within what the
// principal may read.
func (a *access) reads(filter string) bool {
	if a.deviceID == "" && !a.read {
		return false
	}
	filter = unshared(filter)
	return len(filter) > len(a.prefix) && strings.HasPrefix(filter, a.prefix)
}

// allowed names what a may reach, for a refusal's line.
func (a *access) allowed(write bool) string {
	switch {
	case a.deviceID != "":
		return a.prefix + "#"
	case write && a.ingest:
		return a.prefix + "device/+/telemetry"
	case !write && a.read:
		return a.prefix + "#"
	}
	return "nothing"
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
