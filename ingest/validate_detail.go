package ingest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegate/store"
)

// Details are one line: what is wrong, then the way out. What they repeat of a
// message is cut and escaped, and stands within a command only when a shell
// takes it as one plain word.

func unknownDevice(d *Device, m *Message) verdict {
	switch {
	case d != nil:
		return verdict{store.ReasonUnknownDevice, fmt.Sprintf("device %s is %s; publish under the id of the device in its place. To keep this as its history: tidegate deadletter replay --device %s", d.ID, d.State, d.ID)}
	case !store.ValidID(m.OrgID):
		return verdict{store.ReasonUnknownDevice, noID(m.OrgID, "an organization")}
	case !store.ValidID(m.DeviceID):
		return verdict{store.ReasonUnknownDevice, noID(m.DeviceID, "a device")}
	}
	return verdict{store.ReasonUnknownDevice, fmt.Sprintf("device %s is not registered in organization %s. Fix: tidegate device add --org %s --id %s --ports 4, then %s",
		m.DeviceID, m.OrgID, m.OrgID, m.DeviceID, replayOf(m.DeviceID))}
}

func noID(id, of string) string {
	return fmt.Sprintf("%s is no id of %s; an id has 1 to 64 characters from A-Z a-z 0-9 . _ : - and begins with a letter or digit", quote([]byte(id)), of)
}

func unknownPort(d *Device, it *item) verdict {
	if it.portName == "" {
		n := strconv.Itoa(int(it.port))
		return verdict{store.ReasonUnknownPort, fmt.Sprintf("port %s is not registered on device %s; registered %s. Fix: tidegate port set --device %s --number %s, then %s",
			n, d.ID, d.PortNumbers(), d.ID, n, replayOf(d.ID))}
	}
	if port := foldedName(d, it.portName); port != nil {
		return verdict{store.ReasonUnknownPort, fmt.Sprintf("port %s is not registered on device %s; registered %s, number %d as %s. Fix: send the name as it is registered; capitals count",
			quote([]byte(it.portName)), d.ID, d.PortNumbers(), port.Number, quote([]byte(port.Name)))}
	}
	name := "NAME"
	if isPlainWord(it.portName) {
		name = it.portName
	}
	return verdict{store.ReasonUnknownPort, fmt.Sprintf("port %s is not registered on device %s; registered %s%s. Fix: tidegate port set --device %s --number %s --name %s, then %s",
		quote([]byte(it.portName)), d.ID, d.PortNumbers(), portNames(d), d.ID, freePort(d), name, replayOf(d.ID))}
}

// lookedAt bounds the ports that a detail looks at: a message can have 10,000
// readings, and each of them a detail.
const lookedAt = 256

// foldedName answers the port whose name differs from name in case alone.
func foldedName(d *Device, name string) *Port {
	for i := range d.ports[:min(len(d.ports), lookedAt)] {
		if p := &d.ports[i]; p.Name != "" && strings.EqualFold(p.Name, name) {
			return p
		}
	}
	return nil
}

// portNames lists the first few names of d's ports.
func portNames(d *Device) string {
	const few = 5
	var names []string
	for i := range d.ports[:min(len(d.ports), lookedAt)] {
		if name := d.ports[i].Name; name != "" {
			if len(names) == few {
				names = append(names, "…")
				break
			}
			names = append(names, quote([]byte(name)))
		}
	}
	if len(names) == 0 {
		return ", none of them with a name"
	}
	return ", by name " + strings.Join(names, ", ")
}

// freePort proposes a number for a new port.
func freePort(d *Device) string {
	for n := 1; n <= lookedAt; n++ {
		if d.Port(uint16(n)) == nil {
			return strconv.Itoa(n)
		}
	}
	return "N"
}

func noZone(d *Device, it *item) verdict {
	return verdict{store.ReasonTSInvalid, fmt.Sprintf("%s: no zone; add Z or an offset such as +02:00, or set the device's --assume-zone. Fix: tidegate device set --id %s --assume-zone Europe/Berlin, then %s",
		excerpt([]byte(it.zoneless())), d.ID, replayOf(d.ID))}
}

func unknownZone(zone string) verdict {
	return verdict{store.ReasonTSInvalid, fmt.Sprintf("%s is not a zone such as Europe/Berlin or UTC", quote([]byte(zone)))}
}

func noSuchTime(it *item, zone *time.Location) verdict {
	return verdict{store.ReasonTSInvalid, fmt.Sprintf("%s: not a time in zone %s", excerpt([]byte(it.zoneless())), zone)}
}

// clockNotSet is the year before which a time tells of a clock that was never
// set: microcontrollers begin at 1970 or 2000.
const clockNotSet = 978_307_200_000 // 2001

func tooOld(d *Device, m *Message, ts int64) verdict {
	past := m.ReceivedAt - ts
	s := fmt.Sprintf("ts %s is %s before the time of receipt, accepted are %s", store.Time(ts), beyond(past, d.AcceptPast), about(d.AcceptPast))
	if ts < clockNotSet {
		return verdict{store.ReasonTSOutOfRange, fmt.Sprintf("%s; the device's clock is not set: leave ts out until it is. Fix: %s --use-received-at", s, replayOf(d.ID))}
	}
	return verdict{store.ReasonTSOutOfRange, fmt.Sprintf("%s. Fix: tidegate device set --id %s --accept-past %s, then %s", s, d.ID, hours(past), replayOf(d.ID))}
}

func tooFarAhead(d *Device, m *Message, ts int64) verdict {
	ahead := ts - m.ReceivedAt
	s := fmt.Sprintf("ts %s is %s after the time of receipt, accepted are %s; ", store.Time(ts), beyond(ahead, d.AcceptAhead), about(d.AcceptAhead))
	// A clock is off by anything, a zone by whole quarters of an hour.
	const quarter, late = 15 * 60_000, 2 * 60_000
	if off := (ahead + late) % quarter; ahead < 14*3_600_000+late && ahead > quarter-late && off <= 2*late {
		s += "a local time sent as UTC, or a clock that is wrong"
	} else {
		s += "the device's clock is wrong"
	}
	return verdict{store.ReasonTSOutOfRange, fmt.Sprintf("%s. Fix: correct it, then %s --use-received-at", s, replayOf(d.ID))}
}

func overflow(port *Port, cal *store.Calibration, it *item) verdict {
	return verdict{store.ReasonValueNotFinite, fmt.Sprintf("value %g of port %d times scaling %g plus offset %g is beyond what a float64 can hold; correct the value, or the calibration",
		it.value, port.Number, cal.Scaling, cal.Offset)}
}

// conflictDetail says that another value has the sample's place.
func conflictDetail(port uint16, s store.Sample) string {
	detail := fmt.Sprintf("port %d has another value at %s already, and the first one stays", port, store.Time(s.TS))
	if s.TS%1000 == 0 {
		detail += "; two values within one second: send ts with milliseconds, or leave ts out"
	}
	return detail
}

// rejectedLine is what the log, tail and the page say of a dead letter.
func rejectedLine(deviceID string, l store.Letter) string {
	var b strings.Builder
	b.WriteString("rejected: device ")
	b.WriteString(excerpt([]byte(deviceID)))
	if l.Port != "" {
		b.WriteString(" port ")
		b.WriteString(excerpt([]byte(l.Port)))
	}
	b.WriteByte(' ')
	b.WriteString(string(l.Reason))
	detail := l.Detail
	if l.Reason == store.ReasonUnknownPort {
		// The line has said by now which port is not registered on which device.
		if _, rest, ok := strings.Cut(detail, " is not registered on device "+deviceID+"; "); ok {
			detail = rest
		}
	}
	if detail != "" {
		b.WriteString("; ")
		b.WriteString(detail)
	}
	return b.String()
}

func replayOf(deviceID string) string { return "tidegate deadletter replay --device " + deviceID }

// isPlainWord reports whether every shell takes s as one word that means
// itself.
func isPlainWord(s string) bool {
	return s != "" && s[0] != '-' && len(s) <= excerptBytes && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return (c|0x20 < 'a' || c|0x20 > 'z') && !isDigit(c) && c != '_' && c != '-' && c != '.'
	})
}

// about says a span of ms as people do.
func about(ms int64) string {
	for _, unit := range []struct {
		ms   int64
		name string
	}{{365 * dayMs, "years"}, {dayMs, "days"}, {3_600_000, "hours"}, {60_000, "minutes"}, {1000, "seconds"}} {
		if ms >= 2*unit.ms || (ms%unit.ms == 0 && ms > 0 && unit.name != "years") {
			n := ms / unit.ms
			if n == 1 {
				return "1 " + strings.TrimSuffix(unit.name, "s")
			}
			return strconv.FormatInt(n, 10) + " " + unit.name
		}
	}
	return strconv.FormatInt(ms, 10) + " milliseconds"
}

// beyond is about a span that is longer than limit.
func beyond(ms, limit int64) string {
	if s := about(ms); s != about(limit) {
		return s
	}
	return "just over " + about(limit)
}

// hours rounds a span of ms up to what --accept-past takes.
func hours(ms int64) string { return strconv.FormatInt(ms/3_600_000+1, 10) + "h" }
