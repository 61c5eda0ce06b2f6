package ingest

import (
	"math"
	"time"

	"tidegate/store"
)

// verdict is why a reading is rejected; the zero value is that it is not.
type verdict struct {
	reason store.Reason
	detail string
}

// validate judges one reading of m against the catalogue and answers the port
// and the sample to store. It is a function of the record, of the snapshot and
// of nothing else: a replay of the log gives the same verdicts. d is nil when
// nobody is registered under the message's UID.
//
// A retired device takes no more readings from the doors; what is imported for
// it, or brought back from its dead letters, is history and is stored. A raw
// value whose calibrated one overflows is rejected: nothing could answer it.
func validate(d *Device, m *Message, it *item) (port *Port, s store.Sample, v verdict) {
	// A time of the reading's own that is at fault gives way to that of receipt.
	useReceivedAt := m.replay != nil && m.replay.useReceivedAt
	if it.rejected() && !(it.odd.reason == store.ReasonTSInvalid && useReceivedAt) {
		return nil, s, it.verdict()
	}
	if d == nil || (d.State != store.DeviceActive && m.replay == nil && !m.AnyTime) {
		return nil, s, unknownDevice(d, m)
	}
	if it.portName != "" {
		port = d.PortNamed(it.portName)
	} else {
		port = d.Port(it.port)
	}
	if port == nil {
		return nil, s, unknownPort(d, it)
	}

	s = store.Sample{Raw: it.value, IngestTS: m.ReceivedAt, Quality: it.quality}
	if m.ClockUntrusted {
		s.Flags |= store.FlagClockUnsynced
	}
	ts, has, v := readingTime(d, m, it)
	if v.reason != "" {
		if !useReceivedAt {
			return nil, s, v
		}
		has = false
	}
	if has {
		s.TS = ts
	} else {
		s.TS = m.ReceivedAt
		s.Flags |= store.FlagServerTS
	}

	cal := port.CalibrationAt(s.TS)
	s.Calibration = cal.Number
	calibrated := cal.Apply(it.value)
	if math.IsInf(calibrated, 0) || math.IsNaN(calibrated) {
		return nil, s, overflow(port, cal, it)
	}
	if (port.ValidMin != nil && calibrated < *port.ValidMin) || (port.ValidMax != nil && calibrated > *port.ValidMax) {
		s.Flags |= store.FlagOutOfRange
	}
	return port, s, verdict{}
}

// readingTime answers the reading's own time, if it has one, within the window
// of accepted times.
func readingTime(d *Device, m *Message, it *item) (ts int64, has bool, v verdict) {
	ts = it.ts
	switch {
	case it.verdict().reason == store.ReasonTSInvalid:
		return 0, true, it.verdict()
	case !it.hasTS:
		return 0, false, verdict{}
	case it.zoneless() != "":
		zone, v := zoneOf(d, m, it)
		if v.reason != "" {
			return 0, true, v
		}
		var ok bool
		if ts, ok = inZone(it.zoneless(), zone); !ok {
			return 0, true, noSuchTime(it, zone)
		}
	}
	if m.AnyTime {
		return ts, true, verdict{}
	}
	if ts < m.ReceivedAt-d.AcceptPast {
		return ts, true, tooOld(d, m, ts)
	}
	if ts > m.ReceivedAt+d.AcceptAhead && !m.ClockUntrusted {
		return ts, true, tooFarAhead(d, m, ts)
	}
	return ts, true, verdict{}
}

// zoneOf answers the zone of a time that carries none: the replay's, else the
// device's.
func zoneOf(d *Device, m *Message, it *item) (*time.Location, verdict) {
	if m.replay == nil || m.replay.zone == "" {
		if d.Zone == nil {
			return nil, noZone(d, it)
		}
		return d.Zone, verdict{}
	}
	if m.replay.location == nil {
		zone, err := time.LoadLocation(m.replay.zone)
		if err != nil {
			return nil, unknownZone(m.replay.zone)
		}
		m.replay.location = zone
	}
	return m.replay.location, verdict{}
}
