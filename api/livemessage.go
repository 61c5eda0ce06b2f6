package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"tidegate/ingest/live"
	"tidegate/store"
)

// LiveAuth gives a live connection its token.
type LiveAuth struct {
	Type  string `json:"type" enum:"auth"`
	Token string `json:"token" doc:"an access token or an API key; again before it ends"`
}

// LiveSubscribe begins a subscription, or replaces the one of the same id.
type LiveSubscribe struct {
	Type     string     `json:"type" enum:"subscribe"`
	ID       int64      `json:"id,omitempty" doc:"the client's own; all messages of the subscription carry it"`
	Kinds    []string   `json:"kinds,omitempty" enum:"readings,lifecycle,rejections,alerts,messages" nullable:"false" doc:"absent or empty: readings, lifecycle and rejections; messages needs devices, eight at most"`
	OrgID    string     `json:"orgId,omitempty" maxLength:"64" doc:"of this organization; absent: of all that are seen"`
	Devices  []string   `json:"devices,omitempty" maxItems:"10000" nullable:"false" doc:"of these; absent or empty: of all"`
	Ports    []LivePort `json:"ports,omitempty" maxItems:"10000" nullable:"false" doc:"readings and alarms of these, and all else of their devices; absent or empty: of all"`
	Snapshot bool       `json:"snapshot,omitempty" doc:"first what there is by now: newest readings, who is online, open alarms, by kinds"`
	Stream   string     `json:"stream,omitempty" maxLength:"64" doc:"with after: send what was missed since; as subscribed said it"`
	After    uint64     `json:"after,omitempty" doc:"seq of the last message of this subscription"`
}

// LiveUnsubscribe ends a subscription.
type LiveUnsubscribe struct {
	Type string `json:"type" enum:"unsubscribe"`
	ID   int64  `json:"id,omitempty"`
}

// LivePort names a port.
type LivePort struct {
	DeviceID   string `json:"deviceId"`
	PortNumber uint16 `json:"portNumber"`
}

// LiveOf is what every message of a subscription begins with.
type LiveOf struct {
	ID  int64  `json:"id" doc:"of the subscription"`
	Seq uint64 `json:"seq" doc:"all up to here has been told; give it as after to go on from here"`
}

// LiveSubscribed says that a subscription has begun.
type LiveSubscribed struct {
	Type string `json:"type" enum:"subscribed"`
	LiveOf
	Stream  string `json:"stream" doc:"another at each start of the server; seq means something within it only"`
	Resumed bool   `json:"resumed" doc:"what was missed since after follows; false, where it was asked for: fetch it by queries"`
}

// LiveSnapshot is how things stand. There may be several; the last one says so.
type LiveSnapshot struct {
	Type string `json:"type" enum:"snapshot"`
	LiveOf
	Readings  []store.Reading    `json:"readings,omitempty" nullable:"false" doc:"the newest of each port that has one"`
	Lifecycle []LivePresence     `json:"lifecycle,omitempty" nullable:"false" doc:"of each device"`
	Alerts    []store.AlertEvent `json:"alerts,omitempty" nullable:"false" doc:"that go on"`
	Detail    string             `json:"detail,omitempty" doc:"why readings are missing, such as a database that is away"`
	Last      bool               `json:"last,omitempty"`
}

// LivePresence is whether a device is connected.
type LivePresence struct {
	DeviceID string      `json:"deviceId"`
	OrgID    string      `json:"orgId"`
	Status   string      `json:"status" enum:"online,offline"`
	At       *store.Time `json:"at,omitempty" doc:"when it was last heard of; absent: never"`
}

// LiveReadings are readings that were stored, in the order of storing.
type LiveReadings struct {
	Type string `json:"type" enum:"readings"`
	LiveOf
	Items   []store.Reading `json:"items" nullable:"false" doc:"may be empty: then it says how far the stream has come"`
	Skipped uint64          `json:"skipped" doc:"readings passed over since the message before, because this client is slow; of each port the newest came"`
}

// LiveLifecycle says that a device came or went.
type LiveLifecycle struct {
	Type string `json:"type" enum:"lifecycle"`
	LiveOf
	LifecycleChange
}

// LifecycleChange is what a LiveLifecycle says.
type LifecycleChange struct {
	At       store.Time `json:"at"`
	OrgID    string     `json:"orgId,omitempty"`
	DeviceID string     `json:"deviceId,omitempty"`
	Status   string     `json:"status" enum:"online,offline"`
	Reason   string     `json:"reason,omitempty"`
}

// LiveRejection says that a reading, a login or a topic was refused.
type LiveRejection struct {
	Type string `json:"type" enum:"rejection"`
	LiveOf
	RejectionEvent
}

// RejectionEvent is what a LiveRejection says.
type RejectionEvent struct {
	At       store.Time `json:"at"`
	OrgID    string     `json:"orgId,omitempty"`
	DeviceID string     `json:"deviceId,omitempty"`
	Port     string     `json:"port,omitempty" doc:"as sent"`
	Reason   string     `json:"reason,omitempty"`
	Line     string     `json:"line" doc:"cause and fix"`
}

// LiveAlert is an alarm as it is after a change: it fired, recovers, was taken on,
// was spoken of, ended.
type LiveAlert struct {
	Type string `json:"type" enum:"alert"`
	LiveOf
	Alert store.AlertEvent `json:"alert"`
}

// LiveDeviceMessage is what a device has sent and what became of it.
type LiveDeviceMessage struct {
	Type string `json:"type" enum:"message"`
	LiveOf
	MessageEvent
	live.Message
}

// MessageEvent is whose a LiveDeviceMessage is.
type MessageEvent struct {
	At       store.Time `json:"at" doc:"of receipt"`
	OrgID    string     `json:"orgId"`
	DeviceID string     `json:"deviceId"`
}

// LiveSkipped says that events other than readings were passed over.
type LiveSkipped struct {
	Type string `json:"type" enum:"skipped"`
	LiveOf
	Skipped uint64 `json:"skipped" doc:"because this client is slow: fetch them by queries"`
}

// LiveError is the last message of a connection.
type LiveError struct {
	Type   string `json:"type" enum:"error"`
	Detail string `json:"detail" doc:"what is wrong, and the way out"`
}

// Limits of subscriptions.
const (
	liveSubscriptions = 16     // a connection
	liveNamed         = 10_000 // ports, and devices, a subscription
	liveNamedInAll    = 20_000 // ports and devices a connection
	liveInspected     = 8      // devices whose messages are wanted, a subscription
)

var liveKinds = []string{"readings", "lifecycle", "rejections", "alerts", "messages"} // in the order of live.Kind

// filter reads a subscription. What the access does not see never comes.
func (r LiveSubscribe) filter(access store.Access) (live.Filter, error) {
	f := live.Filter{Kinds: live.DefaultKinds, Access: access, OrgID: r.OrgID}
	if len(r.Kinds) > 0 {
		f.Kinds = 0
	}
	for _, k := range r.Kinds {
		i := slices.Index(liveKinds, k)
		if i < 0 {
			return f, invalidParam("kinds", fmt.Sprintf("%q is unknown; use readings, lifecycle, rejections, alerts, messages", cut(k)))
		}
		f.Kinds = f.Kinds.With(live.Kind(i))
	}
	switch {
	case len(r.Ports) > liveNamed:
		return f, liveLimit("ports", liveNamed, "ports are named in one subscription; leave ports out to watch all, or narrow by orgId or devices")
	case len(r.Devices) > liveNamed:
		return f, liveLimit("devices", liveNamed, "devices are named in one subscription; leave devices out to watch all, or narrow by orgId")
	case f.Kinds.Has(live.KindMessage) && len(r.Devices) == 0:
		return f, invalidParam("devices", "messages needs the devices whose messages are to be shown")
	case f.Kinds.Has(live.KindMessage) && len(r.Devices) > liveInspected:
		return f, liveLimit("devices", liveInspected, "devices are named in a subscription to messages")
	}
	if len(r.Devices) > 0 {
		f.Devices = make(map[string]struct{}, len(r.Devices))
	}
	for _, d := range r.Devices {
		f.Devices[d] = struct{}{}
	}
	if len(r.Ports) > 0 {
		f.Ports = make(map[live.Port]struct{}, len(r.Ports))
	}
	for _, p := range r.Ports {
		f.Ports[live.Port{DeviceID: p.DeviceID, Number: p.PortNumber}] = struct{}{}
	}
	return f, nil
}

func liveLimit(parameter string, limit int, what string) *Problem {
	p := invalidParam(parameter, fmt.Sprintf("at most %d %s", limit, what))
	return p.limited(parameter, int64(limit))
}

// liveText answers an event as JSON, without what differs from watcher to
// watcher: a reading whole, all else behind type, id and seq.
func liveText(e *live.Event) []byte {
	var v any
	switch e.Kind {
	case live.KindReading:
		return appendReading(nil, &e.Reading)
	case live.KindLifecycle:
		v = LifecycleChange{At: e.At, OrgID: e.OrgID, DeviceID: e.DeviceID, Status: e.Status, Reason: e.Reason}
	case live.KindRejection:
		v = RejectionEvent{At: e.At, OrgID: e.OrgID, DeviceID: e.DeviceID, Port: e.Port, Reason: e.Reason, Line: e.Line}
	case live.KindAlert:
		v = struct {
			Alert store.AlertEvent `json:"alert"`
		}{sayable(*e.Alert)}
	case live.KindMessage:
		b, err := json.Marshal(MessageEvent{At: e.At, OrgID: e.OrgID, DeviceID: e.DeviceID})
		if err == nil && len(e.Body) > 2 {
			b = append(append(b[:len(b)-1], ','), e.Body[1:]...)
		}
		v = json.RawMessage(b)
	}
	b, err := json.Marshal(v)
	if err != nil || len(b) < 2 {
		return nil
	}
	return b[1:] // behind the brace
}

// liveTypes are the messages by kind, beside readings.
var liveTypes = [...]string{live.KindLifecycle: "lifecycle", live.KindRejection: "rejection", live.KindAlert: "alert", live.KindMessage: "message"}

// appendLive appends an event that is no reading.
func appendLive(b []byte, id int64, t *live.Told) []byte {
	return append(appendLiveHead(b, liveTypes[t.Kind], id, t.Seq), t.Text(liveText)...)
}

func appendLiveHead(b []byte, kind string, id int64, seq uint64) []byte {
	b = append(append(b, `{"type":"`...), kind...)
	b = strconv.AppendInt(append(b, `","id":`...), id, 10)
	b = strconv.AppendUint(append(b, `,"seq":`...), seq, 10)
	return append(b, ',')
}

// appendReadings appends a message of readings.
func appendReadings(b []byte, id int64, seq uint64, readings []*live.Told, skipped uint64) []byte {
	b = append(appendLiveHead(b, "readings", id, seq), `"items":[`...)
	for i, r := range readings {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.Text(liveText)...)
	}
	b = append(b, `],"skipped":`...)
	b = strconv.AppendUint(b, skipped, 10)
	return append(b, '}')
}

// appendReading appends a reading as the list of readings has it.
func appendReading(b []byte, r *store.Reading) []byte {
	var clock timeEncoder
	b = append(b, `{"ts":"`...)
	b = clock.append(b, int64(r.TS))
	b = append(b, `","deviceId":`...)
	b = appendString(b, r.DeviceID)
	b = append(b, `,"portNumber":`...)
	b = strconv.AppendUint(b, uint64(r.PortNumber), 10)
	b = append(b, `,"rawValue":`...)
	b = appendNumber(b, r.RawValue)
	b = append(b, `,"calibratedValue":`...)
	b = appendNumber(b, r.CalibratedValue)
	b = append(b, `,"quality":`...)
	b = appendString(b, r.Quality)
	b = append(b, `,"flags":[`...)
	for j, f := range r.Flags {
		if j > 0 {
			b = append(b, ',')
		}
		b = appendString(b, f)
	}
	b = append(b, `],"ingestTs":"`...)
	b = clock.append(b, int64(r.IngestTS))
	return append(b, `"}`...)
}
