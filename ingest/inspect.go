package ingest

import (
	"encoding/json"
	"log/slog"
	"strings"
	"unicode/utf8"

	"tidegate/ingest/live"
	"tidegate/store"
)

// inspect shows whoever inspects a device its messages as they came, and what
// became of each reading. Of other devices nothing is made.
func (w *writer) inspect() {
	hub := w.p.o.Live
	at := 0 // into the batch, which is in order of messages
	for i := range w.msgs {
		j := &w.msgs[i]
		if j.m.replay != nil || !hub.Wants(live.KindMessage, j.m.DeviceID) {
			continue
		}
		for at < len(w.place) && int(w.place[at].msg) < i {
			at++
		}
		body, err := json.Marshal(w.inspected(j, int32(i), at))
		if err != nil {
			w.p.log.Error("show a message", "error", err, slog.String("device_id", j.m.DeviceID))
			continue
		}
		hub.Publish([]live.Event{{
			Kind: live.KindMessage, OrgID: j.m.OrgID, DeviceID: j.m.DeviceID, At: store.Time(j.m.ReceivedAt), Body: body,
		}})
	}
}

// inspected answers a message, the number i of the batch, whose accepted readings
// begin at place.
func (w *writer) inspected(j *judged, i int32, place int) live.Message {
	m := j.m
	out := live.Message{Bytes: max(m.size, len(m.Payload)), Readings: []live.MessageReading{}}
	if m.Source == SourceMQTT || m.Source == SourceBridge {
		if out.Topic = m.Topic; out.Topic == "" {
			out.Topic = TelemetryTopic(m.OrgID, m.DeviceID)
		}
	}
	shown := m.Payload[:min(len(m.Payload), live.MessagePayload)]
	if out.Truncated = len(shown) < out.Bytes; out.Truncated {
		shown = wholeText(shown)
	}
	out.Payload, out.Binary = strings.ToValidUTF8(string(shown), "\ufffd"), !utf8.Valid(shown)

	letters := make(map[uint32]*store.Letter, len(j.letters))
	for k := range j.letters {
		letters[j.letters[k].Index] = &j.letters[k]
	}
	if m.decoded.reason != "" {
		out.Readings = append(out.Readings, live.MessageReading{Outcome: "rejected", Reason: string(m.decoded.reason), Detail: m.decoded.detail})
		return out
	}
	device := w.p.o.Registry.ByUID(m.UID)
	for index := range m.decoded.items {
		if index == live.MessageReadings {
			break
		}
		it := &m.decoded.items[index]
		if l := letters[uint32(index)]; l != nil {
			out.Readings = append(out.Readings, rejectedReading(device, it, l))
		}
		for ; place < len(w.place) && w.place[place].msg == i && w.place[place].index <= uint32(index); place++ {
			if w.place[place].index == uint32(index) && letters[uint32(index)] == nil {
				out.Readings = append(out.Readings, acceptedReading(it, &w.batch.Items[place], w.place[place].port))
			}
		}
	}
	return out
}

// wholeText takes away a character of which the end was cut off.
func wholeText(b []byte) []byte {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if c := b[len(b)-n]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-n:]) {
				return b[:len(b)-n]
			}
			break
		}
	}
	return b
}

func acceptedReading(it *item, stored *store.Item, port *Port) live.MessageReading {
	s := stored.Sample
	ts, raw, number := store.Time(s.TS), s.Raw, stored.Series.Port
	r := live.MessageReading{Port: it.portText(), PortNumber: &number, TS: &ts, RawValue: &raw, Outcome: "accepted", Flags: s.Flags.Names()}
	if port != nil {
		calibrated := port.CalibrationAt(s.TS).Apply(s.Raw)
		r.CalibratedValue = &calibrated
	}
	if stored.Verdict == store.VerdictDuplicate {
		r.Detail = "it was stored before"
	}
	return r
}

// rejectedReading says of a reading what could be read of it.
func rejectedReading(d *Device, it *item, l *store.Letter) live.MessageReading {
	r := live.MessageReading{Port: l.Port, Outcome: "rejected", Reason: string(l.Reason), Detail: l.Detail}
	if d != nil && (it.hasPort || it.portName != "") {
		port := d.Port(it.port)
		if it.portName != "" {
			port = d.PortNamed(it.portName)
		}
		if port != nil {
			number := port.Number
			r.PortNumber = &number
		}
	}
	if it.verdict().reason != "" {
		return r
	}
	raw := it.value
	r.RawValue = &raw
	if it.hasTS && it.zoneless() == "" {
		ts := store.Time(it.ts)
		r.TS = &ts
	}
	return r
}
