package api

import (
	"fmt"
	"strconv"

	"tidegate/ingest/live"
	"tidegate/store"
)

// LiveRequest is a message of a live client.
type LiveRequest struct {
	Type  string     `json:"type" enum:"auth,subscribe"`
	Token string     `json:"token,omitempty" doc:"auth: an access token; again before it expires"`
	ID    int64      `json:"id,omitempty" doc:"subscribe: comes back in the answer"`
	Kinds []string   `json:"kinds,omitempty" enum:"readings,lifecycle,rejections" nullable:"false" doc:"subscribe: absent or empty: all"`
	Ports []LivePort `json:"ports,omitempty" maxItems:"10000" nullable:"false" doc:"subscribe: absent or empty: all"`
}

// LivePort names a port.
type LivePort struct {
	DeviceID   string `json:"deviceId"`
	PortNumber uint16 `json:"portNumber"`
}

// LiveMessage is a message to a live client.
type LiveMessage struct {
	Type     string          `json:"type" enum:"subscribed,readings,lifecycle,rejection,error"`
	ID       int64           `json:"id,omitempty" doc:"subscribed: of the request"`
	Items    []store.Reading `json:"items,omitempty" doc:"readings, in the order of storing"`
	Skipped  uint64          `json:"skipped,omitempty" doc:"readings: events passed over since the last message, because this client is slow"`
	At       *store.Time     `json:"at,omitempty"`
	OrgID    string          `json:"orgId,omitempty"`
	DeviceID string          `json:"deviceId,omitempty"`
	Port     string          `json:"port,omitempty" doc:"rejection: as sent"`
	Status   string          `json:"status,omitempty" doc:"lifecycle: online or offline"`
	Reason   string          `json:"reason,omitempty"`
	Line     string          `json:"line,omitempty" doc:"rejection: cause and fix"`
	Detail   string          `json:"detail,omitempty" doc:"error"`
}

// filter reads a subscription. What the
// access does not see never comes.
func (r LiveRequest) filter(access store.Access) (live.Filter, error) {
	f := live.Filter{Kinds: live.DefaultKinds, Access: access}
	if len(r.Kinds) > 0 {
		f.Kinds = 0
	}
	for _, k := range r.Kinds {
		switch k {
		case "readings":
			f.Kinds = f.Kinds.With(live.KindReading)
		case "lifecycle":
			f.Kinds = f.Kinds.With(live.KindLifecycle)
		case "rejections":
			f.Kinds = f.Kinds.With(live.KindRejection)
		default:
			return f, invalidParam("kinds", fmt.Sprintf("%q is unknown; use readings, lifecycle, rejections", k))
		}
	}
	if len(r.Ports) > 0 {
		f.Ports = make(map[live.Port]struct{}, len(r.Ports))
	}
	for _, p := range r.Ports {
		f.Ports[live.Port{DeviceID: p.DeviceID, Number: p.PortNumber}] = struct{}{}
	}
	return f, nil
}

// appendReadings appends a message of readings, as the list of readings has
// them.
func appendReadings(b []byte, readings []store.Reading, skipped uint64) []byte {
	var clock timeEncoder
	b = append(b, `{"type":"readings","items":[`...)
	for i := range readings {
		r := &readings[i]
		if i > 0 {
			b = append(b, ',')
		}
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
		b = append(b, `"}`...)
	}
	b = append(b, `],"skipped":`...)
	b = strconv.AppendUint(b, skipped, 10)
	return append(b, '}')
}
